import type { FrameStreamEnd } from "../frame_stream.ts";
import { FrameStream } from "../frame_stream.ts";
import { encodeFrame } from "../frame_writer.ts";
import { APPLICATION_CODE } from "../quic_code.ts";
import type { QuicConnection } from "../quic_connection.ts";
import { DEFAULT_QUIC_LIMITS } from "../quic_transport_limits.ts";
import { encodeRequest, type QuicMethod } from "../request_envelope.ts";
import { parseResponse, type ResponseEnvelope } from "../response_envelope.ts";
import { Recorder } from "./recorder.ts";

/** A stream that a test has opened, on which it writes what it likes. */
export class AskedStream {
  /** What came back. */
  readonly answers = new Recorder<ResponseEnvelope>();
  /** What came back and is no answer: the messages of a session. */
  readonly others = new Recorder<Uint8Array>();
  /** How the daemon ended the stream, or that the connection did. */
  readonly ended: Promise<FrameStreamEnd>;
  readonly #frames: FrameStream;
  readonly #end = Promise.withResolvers<FrameStreamEnd>();

  private constructor(connection: QuicConnection) {
    this.#frames = new FrameStream(connection.openStream(), DEFAULT_QUIC_LIMITS.maxFrameBytes);
    this.ended = this.#end.promise;
  }

  /** Opens a stream. Throws `stream_limit` when the daemon allows no more. */
  static open(connection: QuicConnection): AskedStream {
    const stream = AskedStream.openUnread(connection);
    stream.read();
    return stream;
  }

  /** The same, and nothing is read of what comes. */
  static openUnread(connection: QuicConnection): AskedStream {
    return new AskedStream(connection);
  }

  /** Opens a stream and sends a lawful request on it. */
  static ask(connection: QuicConnection, method: QuicMethod, resumeFrom?: number): AskedStream {
    const stream = AskedStream.open(connection);
    stream.write(requestFrame(method, resumeFrom));
    return stream;
  }

  /** The same, and says that nothing follows. */
  static askOnly(connection: QuicConnection, method: QuicMethod, resumeFrom?: number): AskedStream {
    const stream = AskedStream.open(connection);
    stream.write(requestFrame(method, resumeFrom), { fin: true });
    return stream;
  }

  /** Reads from now on. */
  read(): void {
    this.#frames.read({
      onFrame: (payload) => this.#take(payload),
      onEnd: (end) => {
        // What the daemon sends may still be on its way when it wants nothing more itself.
        if (end.kind === "stopped") return;
        // A stream is over when both sides have ended it.
        if (end.kind === "finished") this.#frames.reset(APPLICATION_CODE.done);
        this.#end.resolve(end);
        this.answers.end(`the stream ended: ${JSON.stringify(end)}`);
        this.others.end(`the stream ended: ${JSON.stringify(end)}`);
      },
    });
  }

  #take(payload: Uint8Array): void {
    let answer: ResponseEnvelope;
    try {
      answer = parseResponse(payload);
    } catch {
      return this.others.add(payload);
    }
    this.answers.add(answer);
  }

  /** Sends bytes as they are; `fin` says that they are the last. */
  write(bytes: Uint8Array, options?: { readonly fin?: boolean }): void {
    this.#frames.write(bytes, options);
  }

  /** Gives up both directions. */
  reset(code: number): void {
    this.#frames.reset(code);
  }

  /** Wants nothing more of the daemon (STOP_SENDING). */
  stopReading(code: number): void {
    this.#frames.stopReading(code);
  }
}

/** A lawful request, ready to write. */
export function requestFrame(method: QuicMethod, resumeFrom?: number): Uint8Array {
  return encodeFrame(encodeRequest(method, resumeFrom));
}

/** A request of any shape, ready to write. */
export function jsonFrame(request: unknown): Uint8Array {
  return encodeFrame(new TextEncoder().encode(JSON.stringify(request)));
}
