import type { QuicBenchStream } from "./quic_peer.ts";

const PREFIX = 4;

/** A payload behind its length, as a u32 in big-endian order. */
export function frameOf(payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PREFIX + payload.length);
  new DataView(frame.buffer).setUint32(0, payload.length);
  frame.set(payload, PREFIX);
  return frame;
}

/** Takes frames off a stream. */
export class FrameReader {
  readonly #stream: QuicBenchStream;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: QuicBenchStream) {
    this.#stream = stream;
  }

  /** All whole frames that have come, prefixes included: at least one, or null at the end. */
  async next(): Promise<Uint8Array[] | null> {
    for (;;) {
      // deno-lint-ignore no-await-in-loop -- one chunk after the other
      const chunk = await this.#stream.read();
      if (chunk === null) return null;
      const frames = this.#take(chunk);
      if (frames.length > 0) return frames;
    }
  }

  /** The frames to the end of the stream, as they come. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array[]> {
    // deno-lint-ignore no-await-in-loop -- one after the other
    for (let frames = await this.next(); frames !== null; frames = await this.next()) yield frames;
  }

  #take(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#rest.length === 0 ? chunk : joined(this.#rest, chunk);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const frames: Uint8Array[] = [];
    let start = 0;
    while (bytes.length - start >= PREFIX) {
      const end = start + PREFIX + view.getUint32(start);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(start, end));
      start = end;
    }
    this.#rest = bytes.subarray(start);
    return frames;
  }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const whole = new Uint8Array(left.length + right.length);
  whole.set(left);
  whole.set(right, left.length);
  return whole;
}
