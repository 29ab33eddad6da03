/**
 * Raw HTTP/2 frames, for peers that do what a well-behaved library would not.
 *
 * @module
 */

/** HEADERS, as a frame type (RFC 9113, section 6). */
export const HEADERS_TYPE = 0x1;

/** RST_STREAM, as a frame type. */
export const RST_STREAM_TYPE = 0x3;

/** What a client's bytes begin with, before the first frame. */
export const CLIENT_PREFACE_BYTES = 24;

/** What a client sends first (RFC 9113, section 3.4), with an empty SETTINGS frame. */
export function clientPreface(): Uint8Array {
  return concat([new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), settingsFrame()]);
}

/** An empty SETTINGS frame. */
export function settingsFrame(): Uint8Array {
  return frame(0x4, 0, 0, new Uint8Array());
}

/** A GOAWAY frame without error. */
export function goawayFrame(lastStreamId: number): Uint8Array {
  return frame(0x7, 0, 0, Uint8Array.of(0, 0, 0, lastStreamId, 0, 0, 0, 0));
}

/** A WINDOW_UPDATE frame that overflows the window of an open stream, which the receiver must reset (RFC 9113, 6.9.1). */
export function overflowFrame(streamId: number): Uint8Array {
  return frame(0x8, 0, streamId, Uint8Array.of(0x7f, 0xff, 0xff, 0xff));
}

/** A HEADERS frame that leaves its stream open. */
export function openHeadersFrame(streamId: number, fields: Record<string, string>): Uint8Array {
  return frame(HEADERS_TYPE, 0x4, streamId, headerBlock(fields));
}

/** A HEADERS frame that ends its stream; names and values are shorter than 127 bytes. */
export function headersFrame(streamId: number, fields: Record<string, string>): Uint8Array {
  return frame(HEADERS_TYPE, 0x5, streamId, headerBlock(fields));
}

/** Reads the frame types off the bytes of one side. */
export class FrameTypeReader {
  #pending: Uint8Array = new Uint8Array();
  #prefaceLeft: number;

  constructor(prefaceBytes: number) {
    this.#prefaceLeft = prefaceBytes;
  }

  /** The types of the frames that are complete with `bytes`. */
  read(bytes: Uint8Array): number[] {
    const types: number[] = [];
    this.#pending = concat([this.#pending, bytes]);
    if (this.#pending.length < this.#prefaceLeft) return types;
    this.#pending = this.#pending.subarray(this.#prefaceLeft);
    this.#prefaceLeft = 0;
    for (;;) {
      const [high, middle, low, type] = this.#pending;
      if (high === undefined || middle === undefined || low === undefined || type === undefined) return types;
      const end = 9 + (high << 16) + (middle << 8) + low;
      if (this.#pending.length < end) return types;
      types.push(type);
      this.#pending = this.#pending.subarray(end);
    }
  }
}

/** The parts as one. */
export function concat(parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

/** Every field as a literal without indexing (RFC 7541, section 6.2.2). */
function headerBlock(fields: Record<string, string>): Uint8Array {
  const text = (value: string) => Uint8Array.of(value.length, ...new TextEncoder().encode(value));
  return concat(Object.entries(fields).map(([name, value]) => concat([Uint8Array.of(0), text(name), text(value)])));
}

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Uint8Array {
  return concat([
    Uint8Array.of(0, payload.length >> 8, payload.length & 0xff, type, flags, 0, 0, 0, streamId),
    payload,
  ]);
}
