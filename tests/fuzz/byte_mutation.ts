import type { Chance } from "../harness/chance.ts";

/** A copy of `bytes` with one to sixteen bits turned over. */
export function flipBits(chance: Chance, bytes: Uint8Array): Uint8Array {
  const flipped = bytes.slice();
  if (flipped.length === 0) return flipped;
  for (let count = chance.between(1, 16); count > 0; count--) {
    const at = chance.below(flipped.length);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << chance.below(8));
  }
  return flipped;
}

/** The beginning of `bytes`, shorter than they are. */
export function truncate(chance: Chance, bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, chance.below(bytes.length));
}

/** `bytes` and up to `most` more. */
export function extend(chance: Chance, bytes: Uint8Array, most: number): Uint8Array {
  return concat(bytes, chance.bytes(chance.between(1, most)));
}

/** The beginning of one and the end of another. */
export function splice(chance: Chance, head: Uint8Array, tail: Uint8Array): Uint8Array {
  return concat(head.subarray(0, chance.below(head.length + 1)), tail.subarray(chance.below(tail.length + 1)));
}

/** A piece of `bytes` written over another place, or taken out, or put in twice. */
export function moveBytes(chance: Chance, bytes: Uint8Array): Uint8Array {
  const from = chance.below(bytes.length + 1);
  const piece = bytes.subarray(from, from + chance.between(1, 32));
  const to = chance.below(bytes.length + 1);
  switch (chance.below(3)) {
    case 0:
      return concat(bytes.subarray(0, from), bytes.subarray(from + piece.length));
    case 1:
      return concat(bytes.subarray(0, to), piece, bytes.subarray(to));
    default:
      return concat(bytes.subarray(0, to), piece, bytes.subarray(to + piece.length));
  }
}

/** One of the above, or noise. */
export function mutateBytes(chance: Chance, bytes: Uint8Array): Uint8Array {
  switch (chance.below(6)) {
    case 0:
      return truncate(chance, bytes);
    case 1:
      return extend(chance, bytes, 64);
    case 2:
      return moveBytes(chance, bytes);
    case 3:
      return chance.bytes(chance.below(bytes.length + 64));
    default:
      return flipBits(chance, bytes);
  }
}

/** All parts in one array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
