import type { Readable, Writable } from "node:stream";
import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import type { PeerCertificate, Session, SessionEnd } from "../session.ts";
import { MAX_MESSAGE_BYTES, MAX_SESSION_BACKLOG_BYTES } from "../transport_limits.ts";
import { publicMessage } from "../public_message.ts";

const logger = getLogger(["palyra", "transport", "grpc"]);

/** How long a closed session may take to flush and to hear the other side's end, in milliseconds. */
const CLOSE_FLUSH_MS = 1_000;

/** A message in the form that one side of the gRPC stream takes, and its size. */
export interface OutgoingMessage {
  /** What is written to the stream. */
  readonly chunk: unknown;
  /** Encoded size. */
  readonly bytes: number;
}

/** What both ends of a session over one bidirectional gRPC call have in common. */
export abstract class GrpcSession<Outgoing, Incoming> implements Session<Outgoing, Incoming> {
  readonly transport = "grpc";
  readonly remoteAddress: string;
  readonly peer: PeerCertificate;
  readonly closed: Promise<SessionEnd>;
  readonly #stream: Readable & Writable;
  readonly #settle: (end: SessionEnd) => void;
  #onMessage: ((message: Incoming) => void) | undefined;
  #reading = false;
  /** Encoded bytes that were given to the stream and not taken by HTTP/2 yet. */
  #backlogBytes = 0;
  /** Why the session ends, once that is decided; `closed` may settle later. */
  #end: SessionEnd | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(stream: Readable & Writable, peer: PeerCertificate, remoteAddress: string) {
    this.#stream = stream;
    this.peer = peer;
    this.remoteAddress = remoteAddress;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.closed = promise;
    this.#settle = resolve;
    // The end of a call is told by other events; without a listener this one would end the process.
    stream.on("error", () => {});
  }

  /** Encodes and measures a message. */
  protected abstract outgoing(message: Outgoing): OutgoingMessage;

  /** The message that tells the other side why this side closes; undefined when it has none. */
  protected abstract farewell(code: ReasonCode, message: string): Outgoing | undefined;

  /** Takes a message that is about the session itself; true when it is not for the handler. */
  protected abstract consumes(message: Incoming): boolean;

  /** Ends the call and its connection without delay. */
  protected abstract dropConnection(): void;

  get onMessage(): ((message: Incoming) => void) | undefined {
    return this.#onMessage;
  }

  /** Nothing is read before the first handler is set, so no message can be missed. */
  set onMessage(handler: ((message: Incoming) => void) | undefined) {
    this.#onMessage = handler;
    if (this.#reading || handler === undefined) return;
    this.#reading = true;
    this.#stream.on("data", (message: Incoming) => this.#receive(message));
  }

  /** Throws `message_too_large` when the message is over the limit; nothing is sent then and the session goes on. */
  send(message: Outgoing): void {
    if (this.#end !== undefined) return;
    const { chunk, bytes } = this.outgoing(message);
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new PalyraError(
        "message_too_large",
        `The message has ${bytes} bytes; a session takes ${MAX_MESSAGE_BYTES}. Send less at once.`,
      );
    }
    if (this.#backlogBytes + bytes > MAX_SESSION_BACKLOG_BYTES) {
      this.abort("slow_peer", "The other side reads too slowly: too much was waiting to be sent to it.");
      return;
    }
    this.#backlogBytes += bytes;
    this.#stream.write(chunk, () => this.#backlogBytes -= bytes);
  }

  close(code: ReasonCode, message: string): void {
    this.#close({ by: "local", code, message });
  }

  abort(code: ReasonCode, message: string): void {
    this.#decide({ by: "local", code, message });
    this.drop();
  }

  /** The other side has ended the session in an orderly way: ends this side too. */
  protected endedByPeer(code: ReasonCode, message: string): void {
    if (this.#decide({ by: "peer", code, message })) this.#finishStream();
  }

  /** The call is over; `end` says why unless that was decided before. */
  protected over(end: SessionEnd): void {
    this.#decide(end);
    this.#release();
  }

  /** Ends the call and its connection at once. */
  protected drop(): void {
    this.dropConnection();
    this.#release();
  }

  #receive(message: Incoming): void {
    if (this.#end !== undefined || this.consumes(message)) return;
    try {
      this.#onMessage?.(message);
    } catch (cause) {
      logger.error("The session's message handler failed: {cause}", { cause, remoteAddress: this.remoteAddress });
      this.#close({ by: "local", code: "internal", message: PalyraError.from(cause).message, cause });
    }
  }

  #close(end: SessionEnd): void {
    if (!this.#decide(end)) return;
    const farewell = this.farewell(end.code, publicMessage(end));
    if (farewell !== undefined) this.#stream.write(this.outgoing(farewell).chunk);
    this.#finishStream();
  }

  #finishStream(): void {
    this.#stream.end();
    // What the other side still sends must be read, or its end is never seen.
    this.#stream.resume();
    this.#flushTimer = setTimeout(() => this.drop(), CLOSE_FLUSH_MS);
  }

  /** The first reason stays; whether this was the first. */
  #decide(end: SessionEnd): boolean {
    if (this.#end !== undefined) return false;
    this.#end = end;
    return true;
  }

  #release(): void {
    clearTimeout(this.#flushTimer);
    if (this.#end !== undefined) this.#settle(this.#end);
  }
}
