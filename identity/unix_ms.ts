/** Milliseconds since the Unix epoch, as a type of its own so that it is never mixed up with a duration. */
export type UnixMs = number & { readonly __brand: "UnixMs" };

/** Tells the time. Injected wherever a decision depends on it; {@linkcode systemClock} everywhere else. */
export type Clock = () => UnixMs;

/** The machine's clock. */
export const systemClock: Clock = () => Date.now() as UnixMs;

/** Brands a whole, non-negative number of milliseconds; throws RangeError otherwise. */
export function unixMs(value: number): UnixMs {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a time in Unix milliseconds: ${value}`);
  return value as UnixMs;
}
