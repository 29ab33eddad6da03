const textEncoder = new TextEncoder();

/** `bytes` with its length before it as unsigned LEB128: `prepend_len` of draft-irtf-cfrg-cpace. */
export function prependLength(bytes: Uint8Array): Uint8Array {
  const prefix: number[] = [];
  let rest = bytes.length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    prefix.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  const joined = new Uint8Array(prefix.length + bytes.length);
  joined.set(prefix);
  joined.set(bytes, prefix.length);
  return joined;
}

/**
 * The parts one after another, each with its length before it: `lv_cat` of draft-irtf-cfrg-cpace. Two different lists
 * of parts never encode to the same bytes, so it is safe to hash or sign. Text is taken as UTF-8.
 */
export function lengthValueConcat(...parts: readonly (Uint8Array | string)[]): Uint8Array {
  const encoded = parts.map((part) => prependLength(typeof part === "string" ? textEncoder.encode(part) : part));
  const joined = new Uint8Array(encoded.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of encoded) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
