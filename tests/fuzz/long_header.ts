/** The types of packets with a long header (RFC 9000, section 17.2). */
export const LONG_TYPE = { initial: 0, zeroRtt: 1, handshake: 2, retry: 3 } as const;

/** Bytes of a datagram. */
export interface Field {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** The fields in clear of a packet with a long header; views on the datagram. */
export interface LongHeader {
  readonly version: number;
  readonly type: number;
  readonly destinationId: Field;
  readonly sourceId: Field;
  /** Of an Initial packet, without its length; of a Retry packet, what it gives. */
  readonly token: Field | undefined;
  /** The variable-length integer that says how long the rest is; a Retry packet has none. */
  readonly length: Field | undefined;
  /** Where the packet number begins. */
  readonly restAt: number;
}

const RETRY_TAG_BYTES = 16;

/** Reads the header of the first packet of a datagram; undefined when it has no long header or is cut off. */
export function readLongHeader(datagram: Uint8Array): LongHeader | undefined {
  const first = datagram[0];
  if (first === undefined || (first & 0x80) === 0 || datagram.length < 7) return undefined;
  const version = new DataView(datagram.buffer, datagram.byteOffset).getUint32(1);
  const type = (first >> 4) & 3;
  const destinationId = readId(datagram, 5);
  if (destinationId === undefined) return undefined;
  const sourceId = readId(datagram, destinationId.at + destinationId.bytes.length);
  if (sourceId === undefined) return undefined;
  const afterIds = sourceId.at + sourceId.bytes.length;
  const ids = { version, type, destinationId, sourceId };
  if (type === LONG_TYPE.retry) {
    const end = datagram.length - RETRY_TAG_BYTES;
    if (end < afterIds) return undefined;
    return { ...ids, token: { at: afterIds, bytes: datagram.subarray(afterIds, end) }, length: undefined, restAt: end };
  }
  let token: Field | undefined;
  if (type === LONG_TYPE.initial) {
    const size = readVarint(datagram, afterIds);
    if (size === undefined) return undefined;
    token = { at: size.end, bytes: datagram.subarray(size.end, size.end + size.value) };
    if (token.bytes.length < size.value) return undefined;
  }
  const lengthAt = token === undefined ? afterIds : token.at + token.bytes.length;
  const length = readVarint(datagram, lengthAt);
  if (length === undefined) return undefined;
  return {
    ...ids,
    token,
    length: { at: lengthAt, bytes: datagram.subarray(lengthAt, length.end) },
    restAt: length.end,
  };
}

/** A variable-length integer (RFC 9000, section 16) at `at`, and where it ends; undefined when it is cut off. */
export function readVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: number; readonly end: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const size = 1 << (first >> 6);
  if (at + size > bytes.length) return undefined;
  let value = first & 0x3f;
  for (let index = 1; index < size; index++) value = value * 256 + (bytes[at + index] ?? 0);
  return { value, end: at + size };
}

/** `value` as a variable-length integer, in the shortest form or in `size` bytes. */
export function varint(value: number, size?: 1 | 2 | 4 | 8): Uint8Array {
  const bytes = size ?? (value < 2 ** 6 ? 1 : value < 2 ** 14 ? 2 : value < 2 ** 30 ? 4 : 8);
  const encoded = new Uint8Array(bytes);
  let rest = value;
  for (let index = bytes - 1; index >= 0; index--) {
    encoded[index] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  encoded[0] = ((encoded[0] ?? 0) & 0x3f) | (Math.log2(bytes) << 6);
  return encoded;
}

function readId(datagram: Uint8Array, lengthAt: number): Field | undefined {
  const length = datagram[lengthAt];
  if (length === undefined || lengthAt + 1 + length > datagram.length) return undefined;
  return { at: lengthAt + 1, bytes: datagram.subarray(lengthAt + 1, lengthAt + 1 + length) };
}
