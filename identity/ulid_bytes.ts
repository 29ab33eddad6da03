import { type CanonicalUlid, isCanonicalUlid } from "./device_id.ts";
import type { UnixMs } from "./unix_ms.ts";

const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID_BYTES = 16;
const ULID_CHARACTERS = 26;

/** The 16 bytes that a ULID spells. Throws RangeError unless `ulid` is canonical. */
export function ulidToBytes(ulid: string): Uint8Array {
  if (!isCanonicalUlid(ulid)) throw new RangeError("not a canonical ULID");
  let value = 0n;
  for (const character of ulid) value = (value << 5n) | BigInt(ALPHABET.indexOf(character));
  return Uint8Array.fromHex(value.toString(16).padStart(ULID_BYTES * 2, "0"));
}

/** The ULID that spells 16 bytes. Throws RangeError at any other length. */
export function bytesToUlid(bytes: Uint8Array): CanonicalUlid {
  if (bytes.length !== ULID_BYTES) throw new RangeError("a ULID has 16 bytes");
  let value = BigInt(`0x${bytes.toHex()}`);
  let text = "";
  for (let position = 0; position < ULID_CHARACTERS; position++) {
    text = ALPHABET.charAt(Number(value & 31n)) + text;
    value >>= 5n;
  }
  return text as CanonicalUlid;
}

/** A ULID from a time and 10 bytes of randomness, where both are injected. Throws RangeError at any other length. */
export function ulidFrom(time: UnixMs, randomness: Uint8Array): CanonicalUlid {
  if (randomness.length !== ULID_BYTES - 6) throw new RangeError("a ULID has 10 bytes of randomness");
  const bytes = new Uint8Array(ULID_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(time) << 16n);
  bytes.set(randomness, 6);
  return bytesToUlid(bytes);
}
