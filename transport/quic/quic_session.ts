import { PalyraError } from "../../identity/palyra_error.ts";
import { BaseSession, type OutgoingMessage } from "../base_session.ts";
import type { PeerCertificate } from "../session.ts";
import { MAX_MESSAGE_BYTES } from "../transport_limits.ts";
import { sessionEnd } from "./connection_failure.ts";
import type { FrameStream, FrameStreamEnd } from "./frame_stream.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import type { QuicConnection } from "./quic_connection.ts";
import { SESSION_END_FRAME, sessionFrames, SessionMessageReader } from "./session_frame.ts";

/** What both ends of a session over one QUIC stream have in common. */
export abstract class QuicSession<Outgoing, Incoming> extends BaseSession<Outgoing, Incoming, Uint8Array> {
  readonly transport = "quic";
  readonly #connection: QuicConnection;
  readonly #frames: FrameStream;
  readonly #maxFrameBytes: number;
  readonly #reader = new SessionMessageReader(MAX_MESSAGE_BYTES);

  /** Reads from `frames`, from the first message of the session on. */
  constructor(connection: QuicConnection, frames: FrameStream, peer: PeerCertificate, maxFrameBytes: number) {
    super(peer);
    this.#connection = connection;
    this.#frames = frames;
    this.#maxFrameBytes = maxFrameBytes;
    // Also while nothing is read.
    void connection.whenClosed.then((close) => this.over(sessionEnd(close, connection.side)));
  }

  protected abstract encode(message: Outgoing): Uint8Array;

  /** Throws when `bytes` are no message. */
  protected abstract decode(bytes: Uint8Array): Incoming;

  /** The other side has ended the session and had said nothing more about it. */
  protected abstract ended(): void;

  get remoteAddress(): string {
    return this.#connection.remoteAddress;
  }

  /** What keeps the connection alive is no sign that the session gets on: only what came on its own stream is. */
  get receivedAt(): number {
    return this.#frames.receivedAt;
  }

  protected override outgoing(message: Outgoing): OutgoingMessage<Uint8Array> {
    const chunk = this.encode(message);
    return { chunk, bytes: chunk.length };
  }

  protected override write({ chunk }: OutgoingMessage<Uint8Array>): void {
    for (const frame of sessionFrames(chunk, this.#maxFrameBytes)) this.#frames.write(frame);
  }

  protected override get backlogBytes(): number {
    return this.#frames.unsentBytes;
  }

  protected override startReading(): void {
    this.#frames.read({
      onFrame: (payload) => this.#take(payload),
      onEnd: (end) => this.#streamEnded(end),
    });
  }

  protected override finish(): void {
    this.#frames.write(SESSION_END_FRAME, { fin: true });
  }

  protected override dropConnection(): void {
    this.#connection.close({ application: true, code: APPLICATION_CODE.aborted, reason: "" });
  }

  #take(payload: Uint8Array): void {
    try {
      const message = this.#reader.push(payload);
      if (message === "end") this.#endCame();
      else if (message !== undefined) this.received(this.decode(message));
    } catch (thrown) {
      this.broken(notUnderstood(thrown));
    }
  }

  #endCame(): void {
    // Both ends are said: nothing is on its way any more, and the connection can go.
    const answered = this.isEnding;
    this.ended();
    if (answered) this.#connection.close({ application: true, code: APPLICATION_CODE.done, reason: "" });
  }

  #streamEnded(end: FrameStreamEnd): void {
    switch (end.kind) {
      case "broken":
        return this.broken(end.error);
      case "connection":
        return;
      case "finished":
      case "reset":
      case "stopped":
        // An orderly end is a frame of its own and came before.
        if (this.isEnding) return;
        this.over({
          by: "network",
          code: "connection_lost",
          message: "The other side broke off the session's stream.",
        });
        return this.dropConnection();
    }
  }
}

function notUnderstood(thrown: unknown): PalyraError {
  if (thrown instanceof PalyraError) return thrown;
  return new PalyraError(
    "protocol_mismatch",
    "A message of the session could not be read. Use matching versions of palyrad and palyra-node.",
    { cause: thrown },
  );
}
