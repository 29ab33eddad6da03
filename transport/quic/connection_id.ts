import { randomBytes } from "node:crypto";

/**
 * Length of the connection ids that this endpoint chooses; its short headers are read with it. Two of them, a client's of
 * up to 20 bytes and all else that a server says of itself must fit into the 128 bytes that quiche 0.18 has for it.
 */
export const CONNECTION_ID_BYTES = 8;

/** Longest connection id of QUIC version 1 (RFC 9000, section 17.2). */
const MAX_CONNECTION_ID_BYTES = 20;

/** A fresh connection id. */
export function newConnectionId(): Uint8Array {
  return new Uint8Array(randomBytes(CONNECTION_ID_BYTES));
}

/** Whether a datagram begins with a long header (RFC 9000, section 17.2). */
export function hasLongHeader(datagram: Uint8Array): boolean {
  return ((datagram[0] ?? 0) & 0x80) !== 0;
}

/** The connection id that a datagram is addressed to, in hex; undefined for what cannot be a QUIC packet for us. */
export function destinationOf(datagram: Uint8Array): string | undefined {
  if (!hasLongHeader(datagram)) {
    return datagram.length > CONNECTION_ID_BYTES ? datagram.subarray(1, 1 + CONNECTION_ID_BYTES).toHex() : undefined;
  }
  const length = datagram[5];
  if (length === undefined || length > MAX_CONNECTION_ID_BYTES || datagram.length < 7 + length) return undefined;
  return datagram.subarray(6, 6 + length).toHex();
}
