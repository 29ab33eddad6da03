import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { publicMessage } from "./public_message.ts";
import type { PeerCertificate, Session, SessionEnd, TransportName } from "./session.ts";
import { MAX_MESSAGE_BYTES, MAX_SESSION_BACKLOG_BYTES } from "./transport_limits.ts";

const logger = getLogger(["palyra", "transport", "session"]);

/** How long a closed session may take to flush and to hear the other side's end, in milliseconds. */
const CLOSE_FLUSH_MS = 1_000;

/** A message in the form that a transport writes, and its size. */
export interface OutgoingMessage<Chunk> {
  readonly chunk: Chunk;
  /** Encoded size. */
  readonly bytes: number;
}

/** What the sessions of every transport have in common: limits, and how they end. */
export abstract class BaseSession<Outgoing, Incoming, Chunk> implements Session<Outgoing, Incoming> {
  abstract readonly transport: TransportName;
  abstract readonly remoteAddress: string;
  abstract readonly receivedAt: number | undefined;
  readonly peer: PeerCertificate;
  readonly closed: Promise<SessionEnd>;
  readonly #settle: (end: SessionEnd) => void;
  #onMessage: ((message: Incoming) => void) | undefined;
  #reading = false;
  /** Why the session ends, once that is decided; `closed` may settle later. */
  #end: SessionEnd | undefined;
  #flushTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(peer: PeerCertificate) {
    this.peer = peer;
    const { promise, resolve } = Promise.withResolvers<SessionEnd>();
    this.closed = promise;
    this.#settle = resolve;
  }

  /** Encodes and measures a message. */
  protected abstract outgoing(message: Outgoing): OutgoingMessage<Chunk>;

  /** The message that tells the other side why this side closes; undefined when it has none. */
  protected abstract farewell(code: ReasonCode, message: string): Outgoing | undefined;

  /** Takes a message that is about the session itself; true when it is not for the handler. */
  protected abstract consumes(message: Incoming): boolean;

  /** Queues an encoded message. */
  protected abstract write(message: OutgoingMessage<Chunk>): void;

  /** Encoded bytes that are queued and have not been taken by the transport yet. */
  protected abstract get backlogBytes(): number;

  /** Begins to give what comes to {@linkcode received}. Called once. */
  protected abstract startReading(): void;

  /** Ends what this side sends, in order; what the other side still sends is read and dropped. */
  protected abstract finish(): void;

  /** Ends the connection without delay. */
  protected abstract dropConnection(): void;

  get onMessage(): ((message: Incoming) => void) | undefined {
    return this.#onMessage;
  }

  /** Nothing is read before the first handler is set, so no message can be missed. */
  set onMessage(handler: ((message: Incoming) => void) | undefined) {
    this.#onMessage = handler;
    if (this.#reading || handler === undefined) return;
    this.#reading = true;
    this.startReading();
  }

  /** Throws `message_too_large` when the message is over the limit; nothing is sent then and the session goes on. */
  send(message: Outgoing): void {
    if (this.#end !== undefined) return;
    const outgoing = this.outgoing(message);
    const { bytes } = outgoing;
    if (bytes > MAX_MESSAGE_BYTES) {
      throw new PalyraError(
        "message_too_large",
        `The message has ${bytes} bytes; a session takes ${MAX_MESSAGE_BYTES}. Send less at once.`,
      );
    }
    if (this.backlogBytes + bytes > MAX_SESSION_BACKLOG_BYTES) {
      this.abort("slow_peer", "The other side reads too slowly: too much was waiting to be sent to it.");
      return;
    }
    this.write(outgoing);
  }

  close(code: ReasonCode, message: string): void {
    this.#close({ by: "local", code, message });
  }

  abort(code: ReasonCode, message: string): void {
    this.#decide({ by: "local", code, message });
    this.#drop();
  }

  /** Whether it is decided how the session ends. */
  protected get isEnding(): boolean {
    return this.#end !== undefined;
  }

  /** A message has come. */
  protected received(message: Incoming): void {
    if (this.#end !== undefined || this.consumes(message)) return;
    try {
      this.#onMessage?.(message);
    } catch (cause) {
      logger.error("The session's message handler failed: {cause}", { cause, remoteAddress: this.remoteAddress });
      this.#close({ by: "local", code: "internal", message: PalyraError.from(cause).message, cause });
    }
  }

  /** The other side has ended the session in an orderly way: ends this side too. */
  protected endedByPeer(code: ReasonCode, message: string): void {
    if (this.#decide({ by: "peer", code, message })) this.#finish();
  }

  /** What came makes no sense: the session cannot go on. */
  protected broken({ code, message }: PalyraError): void {
    this.#close({ by: "local", code, message });
  }

  /** Nothing more can come or go; `end` says why unless that was decided before. */
  protected over(end: SessionEnd): void {
    this.#decide(end);
    this.#release();
  }

  #close(end: SessionEnd): void {
    if (!this.#decide(end)) return;
    const farewell = this.farewell(end.code, publicMessage(end));
    if (farewell !== undefined) this.write(this.outgoing(farewell));
    this.#finish();
  }

  #finish(): void {
    this.finish();
    this.#flushTimer = setTimeout(() => this.#drop(), CLOSE_FLUSH_MS);
  }

  #drop(): void {
    this.dropConnection();
    this.#release();
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
