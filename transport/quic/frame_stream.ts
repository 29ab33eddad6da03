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
  #owned = false;

  /** `maxFrameBytes`: the longest payload that is taken. */
  constructor(stream: QuicStream, maxFrameBytes: number) {
    this.#stream = stream;
    this.#reader = new FrameReader(maxFrameBytes);
  }

  /** Bytes that were written and have not been taken by the native library yet. */
  get unsentBytes(): number {
    return this.#stream.unsentBytes;
  }

  /** Gives what comes to `handler` from now on. */
  read(handler: FrameHandler): void {
    this.#handler = handler;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#deliver(waiting);
    if (this.#handler === undefined) return;
    if (this.#end !== undefined) return handler.onEnd(this.#end);
    if (this.#owned) return this.#stream.resume();
    this.#owned = true;
    this.#stream.own(this);
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

  /** Gives up both directions; the handler hears nothing more. */
  reset(code: number): void {
    this.#handler = undefined;
    this.#stream.reset(code);
  }

  /** Wants nothing more of the peer; writing goes on. */
  stopReading(code: number): void {
    this.#stream.stopReading(code);
  }

  onData(bytes: Uint8Array): void {
    let payloads: Uint8Array[];
    try {
      payloads = this.#reader.push(bytes);
    } catch (thrown) {
      this.#stream.stopReading(APPLICATION_CODE.frameTooLarge);
      this.#over({ kind: "broken", error: PalyraError.from(thrown) });
      return;
    }
    this.#deliver(payloads);
  }

  onEnd(end: StreamEnd): void {
    this.#over(end);
  }

  onDrained(): void {
    this.#handler?.onDrained?.();
  }

  #over(end: FrameStreamEnd): void {
    if (this.#handler === undefined) this.#end = end;
    else this.#handler.onEnd(end);
  }

  #deliver(payloads: readonly Uint8Array[]): void {
    for (const payload of payloads) {
      if (this.#handler === undefined) this.#waiting.push(payload);
      else this.#handler.onFrame(payload);
    }
  }
}
