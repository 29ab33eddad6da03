import { PalyraError } from "../../identity/palyra_error.ts";
import { FrameReader } from "./frame_reader.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import type { QuicStream, StreamEnd, StreamOwner } from "./quic_stream.ts";

/** How a stream of frames ended. `broken`: what came is no frame that this side takes. */
export type FrameStreamEnd = StreamEnd | { readonly kind: "broken"; readonly error: PalyraError };

/** Who gets the frames of a stream. */
export interface FrameHandler {
  onFrame(payload: Uint8Array): void;
  onEnd(end: FrameStreamEnd): void;
  /** All that was written has left for the native library. */
  onDrained?(): void;
}

/** A stream of frames in both directions, read only while somebody wants them. */
export class FrameStream implements StreamOwner {
  readonly #stream: QuicStream;
  readonly #reader: FrameReader;
  #handler: FrameHandler | undefined;
  /** Came together with a frame at which the handler stopped to read. */
  #waiting: Uint8Array[] = [];
  /** Came while nobody was reading. */
  #end: FrameStreamEnd | undefined;
  #receivedAt = 0;
  #owned = false;
  #delivering = false;

  /** `maxFrameBytes`: the longest payload that is taken. */
  constructor(stream: QuicStream, maxFrameBytes: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(maxFrameBytes);
  }

  /** Bytes that were written and have not been taken by the native library yet. */
  get unsentBytes(): number {
    return this.#stream.unsentBytes;
  }

  /** When bytes of the stream last came, by `performance.now()`; 0 before the first. */
  get receivedAt(): number {
    return this.#receivedAt;
  }

  /** Gives what comes to `handler` from now on, and first what has come already. */
  read(handler: FrameHandler): void {
    this.#handler = handler;
    this.#deliver();
  }

  /** Lets the peer wait until {@linkcode read} is called again. */
  pause(): void {
    this.#handler = undefined;
    this.#stream.pause();
  }

  /** Queues a frame, ready with its header; `fin` says that it is the last. */
  write(frame: Uint8Array, options?: { readonly fin?: boolean }): void {
    this.#stream.write(frame, options);
  }

  /** Queues the last frame on a stream that the peer has opened, and reads no more; the handler hears nothing more. */
  finish(frame: Uint8Array): void {
    this.#handler = undefined;
    this.#stream.write(frame, { fin: true });
    this.#passOver();
  }

  /** Gives up a stream that the peer has opened; the handler hears nothing more. */
  abandon(code: number): void {
    this.#handler = undefined;
    this.#stream.resetWriting(code);
    this.#passOver();
  }

  /** Gives up both directions of a stream that this side has opened; the handler hears nothing more. */
  reset(code: number): void {
    this.#handler = undefined;
    this.#stream.reset(code);
  }

  /** Wants nothing more of the peer; writing goes on. */
  stopReading(code: number): void {
    this.#stream.stopReading(code);
  }

  onData(bytes: Uint8Array): void {
    this.#receivedAt = performance.now();
    let payloads: Uint8Array[];
    try {
      payloads = this.#reader.push(bytes);
    } catch (thrown) {
      this.#passOver();
      this.#over({ kind: "broken", error: PalyraError.from(thrown) });
      return;
    }
    this.#waiting.push(...payloads);
    this.#deliver();
  }

  onEnd(end: StreamEnd): void {
    this.#over(end);
  }

  onDrained(): void {
    this.#handler?.onDrained?.();
  }

  #passOver(): void {
    this.#stream.passOver(APPLICATION_CODE.done);
  }

  #over(end: FrameStreamEnd): void {
    this.#end = end;
    this.#deliver();
  }

  /** Hands out what waits, in order, to whoever reads; called again from within, it leaves that to the call it is in. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let payload = this.#next(); payload !== undefined; payload = this.#next()) this.#handler?.onFrame(payload);
    } finally {
      this.#delivering = false;
    }
    if (this.#handler === undefined) return;
    if (this.#end !== undefined) return this.#tellEnd(this.#end);
    if (this.#owned) return this.#stream.resume();
    this.#owned = true;
    this.#stream.own(this);
  }

  #next(): Uint8Array | undefined {
    return this.#handler === undefined ? undefined : this.#waiting.shift();
  }

  #tellEnd(end: FrameStreamEnd): void {
    this.#end = undefined;
    this.#handler?.onEnd(end);
  }
}
