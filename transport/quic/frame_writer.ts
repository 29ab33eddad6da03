/** Bytes before a frame's payload: its length, unsigned, big-endian. */
export const FRAME_HEADER_BYTES = 4;

/** A frame around `payload`, header and payload in one array (design section 4). */
export function encodeFrame(payload: Uint8Array): Uint8Array {
  const frame = newFrame(payload.length);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A frame whose header is written and whose payload of `payloadBytes` zeros the caller fills in. */
export function newFrame(payloadBytes: number): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + payloadBytes);
  frame[0] = payloadBytes >>> 24;
  frame[1] = payloadBytes >>> 16;
  frame[2] = payloadBytes >>> 8;
  frame[3] = payloadBytes;
  return frame;
}
