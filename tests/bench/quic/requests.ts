import { STREAM_USE } from "./echo_service.ts";
import { frameOf, FrameReader } from "./frame_reader.ts";
import type { QuicBenchConnection, QuicBenchStream } from "./quic_peer.ts";

const PAYLOAD_BYTES = 100;
const BLOCK_BYTES = 64 * 1024;

/** One request on a stream of its own: done when the answer is there. */
export async function requestOnNewStream(connection: QuicBenchConnection): Promise<void> {
  const stream = await connection.openStream();
  const [, frames] = await Promise.all([stream.write(REQUEST.one, true), new FrameReader(stream).next()]);
  expectEcho(frames?.[0], REQUEST.one);
  // Taking the end frees the stream; nobody waits for it.
  void stream.read().catch(() => {});
}

/** One stream that carries any number of requests, each a write of its own, answered in their order. */
export class LongStream {
  readonly #stream: QuicBenchStream;
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = [];

  constructor(stream: QuicBenchStream) {
    this.#stream = stream;
    this.#read(new FrameReader(stream)).catch((error) => this.#fail(error));
  }

  request(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#stream.write(REQUEST.many, false).catch((error) => this.#fail(error));
    });
  }

  async #read(reader: FrameReader): Promise<void> {
    for await (const frames of reader) {
      for (const frame of frames) {
        expectEcho(frame, REQUEST.many);
        this.#waiting.shift()?.resolve();
      }
    }
    this.#fail(new Error("the server ended the stream"));
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }
}

/** Sends `bytes`, a multiple of 64 KiB, on a stream of their own; done when the server has read them all. */
export async function upload(connection: QuicBenchConnection, bytes: number): Promise<void> {
  const stream = await connection.openStream();
  const reader = new FrameReader(stream);
  const order = requestFor(STREAM_USE.sink);
  new DataView(order.buffer).setUint32(5, bytes);
  await stream.write(order, false);
  await reader.next();
  const block = new Uint8Array(BLOCK_BYTES).fill(0x61);
  for (let sent = BLOCK_BYTES; sent <= bytes; sent += BLOCK_BYTES) {
    // deno-lint-ignore no-await-in-loop -- one block after the other
    await stream.write(block, sent === bytes);
  }
  expectEcho((await reader.next())?.[0], order);
}

const REQUEST = { one: requestFor(STREAM_USE.one), many: requestFor(STREAM_USE.many) } as const;

function requestFor(use: number): Uint8Array {
  const payload = new Uint8Array(PAYLOAD_BYTES).fill(0x61);
  payload[0] = use;
  return frameOf(payload);
}

function expectEcho(frame: Uint8Array | undefined, request: Uint8Array): void {
  if (frame?.length !== request.length) throw new Error(`an answer of ${frame?.length} bytes to ${request.length}`);
}
