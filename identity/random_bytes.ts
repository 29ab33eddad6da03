/** Gives `length` random bytes. Injected where a test needs fixed values; {@linkcode secureRandomBytes} everywhere else. */
export type RandomBytes = (length: number) => Uint8Array;

/** Bytes from the operating system's CSPRNG; at most 65,536 at a time. */
export const secureRandomBytes: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));
