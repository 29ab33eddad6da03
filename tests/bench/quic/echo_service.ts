import { FrameReader } from "./frame_reader.ts";
import type { QuicBenchStream } from "./quic_peer.ts";

/** What a client wants of a stream: the first byte of its first frame's payload. */
export const STREAM_USE = {
  /** One frame, answered by the same with the end of the stream. */
  one: 1,
  /** Frames for ever, each answered by the same in a write of its own. */
  many: 2,
  /** One frame, answered by the same; then as many bytes as four bytes of it say, answered by the same with the end. */
  sink: 3,
} as const;

const PREFIX = 4;

/** Serves a stream to its end. */
export async function serveStream(stream: QuicBenchStream): Promise<void> {
  for await (const frames of new FrameReader(stream)) {
    const first = frames[0] ?? new Uint8Array(0);
    switch (first[PREFIX]) {
      case STREAM_USE.many:
        await Promise.all(frames.map((frame) => stream.write(frame, false)));
        break;
      case STREAM_USE.sink:
        await stream.write(first, false);
        await drain(stream, new DataView(first.buffer, first.byteOffset).getUint32(PREFIX + 1));
        await stream.write(first, true);
        return;
      default:
        await stream.write(first, true);
        return;
    }
  }
}

async function drain(stream: QuicBenchStream, bytes: number): Promise<void> {
  for (let left = bytes; left > 0;) {
    // deno-lint-ignore no-await-in-loop -- one chunk after the other
    const chunk = await stream.read();
    if (chunk === null) throw new Error(`the stream ended ${left} bytes early`);
    left -= chunk.length;
  }
}
