import { APPLICATION_CODE } from "./quic_code.ts";
import { OutgoingBytes } from "./outgoing_bytes.ts";
import type { NativeConnection } from "./quiche_addon.ts";

/** How a stream ended for its owner. */
export type StreamEnd =
  /** The other side has sent all it wanted to. This side may still write. */
  | { readonly kind: "finished" }
  /** The other side gave up sending (RESET_STREAM). */
  | { readonly kind: "reset"; readonly code: number }
  /**
   * The other side wants no more of what this side sends (STOP_SENDING). What it sends itself may still come. The native
   * library forgets the code when it is done with the stream at once.
   */
  | { readonly kind: "stopped"; readonly code: number | undefined }
  /** The connection is over. */
  | { readonly kind: "connection" };

/** Who works with a stream. Nothing is called any more after `onEnd` with `reset` or `connection`. */
export interface StreamOwner {
  /** `bytes` are overwritten after the call. */
  onData(bytes: Uint8Array): void;
  onEnd(end: StreamEnd): void;
  /** All that was written has been taken by the native library. */
  onDrained?(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly native: NativeConnection;
  /** Has what was written, read or reset told to the peer soon. */
  schedule(): void;
  /** The stream is over in both directions. */
  released(stream: QuicStream): void;
}

/** Read into synchronously, by one stream at a time. */
const READ_BUFFER: Uint8Array<ArrayBuffer> = new Uint8Array(65_536);

/** How long the rest of what a peer sends is taken after its stream is done with, in milliseconds. */
const PASS_OVER_MS = 2_000;

const SHUTDOWN_READ = 0;
const SHUTDOWN_WRITE = 1;

/**
 * One stream of a connection, of bytes. What is written waits here until flow control lets it go; what comes is read
 * only while there is an owner, so that a peer is held back and not buffered.
 *
 * A FIN leaves only together with bytes: quiche 0.18 may never send or repeat one that goes alone.
 */
export class QuicStream {
  readonly id: number;
  /** Whether this side may write: not on a stream that the peer has opened for one direction. */
  readonly sends: boolean;
  readonly #host: StreamHost;
  #owner: StreamOwner | undefined;
  readonly #unsent = new OutgoingBytes();
  #finishing = false;
  #paused = false;
  /** Nothing more can be sent: the FIN has been taken, or either side gave up, or the stream never had this direction. */
  #sendOver: boolean;
  #receiveOver: boolean;
  #reading = false;
  #passOverTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(id: number, host: StreamHost, directions: { readonly sends: boolean; readonly receives: boolean }) {
    this.id = id;
    this.#host = host;
    this.sends = directions.sends;
    this.#sendOver = !directions.sends;
    this.#receiveOver = !directions.receives;
  }

  /** Bytes that were written and not yet taken by the native library. */
  get unsentBytes(): number {
    return this.#unsent.length;
  }

  /** Begins to read for `owner`. */
  own(owner: StreamOwner): void {
    this.#owner = owner;
    this.readable();
    this.#host.schedule();
  }

  /** Reads nothing until {@linkcode resume}: the peer may send what flow control lets it, and no more. */
  pause(): void {
    this.#paused = true;
  }

  /** Reads again, at once; within a call of the owner, after it. */
  resume(): void {
    this.#paused = false;
    this.readable();
    this.#host.schedule();
  }

  /** Queues bytes; `fin` says that they are the last. After the end it does nothing. */
  write(bytes: Uint8Array, { fin = false }: { readonly fin?: boolean } = {}): void {
    if (this.#sendOver || this.#finishing) return;
    if (fin && bytes.length === 0) throw new TypeError("a stream is ended with its last bytes, not alone");
    this.#unsent.push(bytes);
    this.#finishing = fin;
    this.#host.schedule();
  }

  /** Gives up both directions and tells the peer `code`; the owner hears nothing more. */
  reset(code: number): void {
    this.#owner = undefined;
    this.#stopSending(code);
    this.stopReading(code);
  }

  /** Gives up writing and tells the peer `code`. */
  resetWriting(code: number): void {
    this.#stopSending(code);
  }

  /**
   * Wants nothing more of what the peer sends, and takes it all the same for a moment, until the peer ends its side; a peer
   * that has not by then is stopped with `code`. The owner hears nothing more.
   *
   * For streams that the peer has opened. When one is stopped, quiche 0.18 gives back neither the stream, if its end comes
   * late, nor the flow control of what was not read of it, and the connection would run dry.
   */
  passOver(code: number): void {
    this.#paused = false;
    this.own({ onData: () => {}, onEnd: () => {} });
    // Most have ended their side together with their request.
    if (this.#receiveOver) return;
    clearTimeout(this.#passOverTimer);
    this.#passOverTimer = setTimeout(() => this.stopReading(code), PASS_OVER_MS);
  }

  /** Wants nothing more of what the peer sends, and says so; writing goes on. */
  stopReading(code: number): void {
    if (this.#receiveOver) return;
    this.#receiveOver = true;
    this.#shutDown(SHUTDOWN_READ, code);
    this.#releaseIfOver();
  }

  /** Gives the owner what has come. Called by the connection. */
  readable(): void {
    if (this.#reading) return;
    this.#reading = true;
    try {
      this.#read();
    } finally {
      this.#reading = false;
    }
  }

  /** Notices that the peer has stopped reading. Called by the connection, before it sends: then it would be forgotten. */
  checkStopped(): void {
    if (this.#sendOver) return;
    try {
      this.#host.native.streamCapacity(this.id);
    } catch (error) {
      this.#noticeStop(error);
    }
  }

  /** Hands the native library as much as it takes. Called by the connection. */
  flush(): void {
    if (this.#unsent.length === 0 || this.#sendOver) return;
    try {
      this.#flush();
    } catch (error) {
      this.#noticeStop(error);
    }
  }

  /** The connection is over. Called by it. */
  connectionClosed(): void {
    this.#sendOver = this.#receiveOver = true;
    clearTimeout(this.#passOverTimer);
    this.#unsent.clear();
    const owner = this.#owner;
    this.#owner = undefined;
    owner?.onEnd({ kind: "connection" });
  }

  #read(): void {
    while (this.#owner !== undefined && !this.#paused && !this.#receiveOver) {
      let received: [number, boolean] | null;
      try {
        received = this.#host.native.streamRecv(this.id, READ_BUFFER);
      } catch (error) {
        const code = peerCode(error, "StreamReset");
        if (code !== undefined) this.#endReceiving({ kind: "reset", code });
        return;
      }
      if (received === null) return;
      const [length, fin] = received;
      if (length > 0) this.#owner.onData(READ_BUFFER.subarray(0, length));
      if (fin) return this.#endReceiving({ kind: "finished" });
      // There was room for more, so there is no more: cheaper than to ask.
      if (length < READ_BUFFER.length) return;
    }
  }

  #flush(): void {
    for (let chunk = this.#unsent.first; chunk !== undefined; chunk = this.#unsent.first) {
      const last = this.#finishing && this.#unsent.length === chunk.length;
      const taken = this.#host.native.streamSend(this.id, chunk, last) ?? 0;
      if (taken > 0) this.#unsent.drop(taken);
      if (taken < chunk.length) return;
      if (last) {
        this.#sendOver = true;
        this.#releaseIfOver();
      }
    }
    this.#owner?.onDrained?.();
  }

  #noticeStop(error: unknown): void {
    const code = peerCode(error, "StreamStopped");
    // Anything else means that the connection is at its end, which is told by itself.
    if (code === undefined && !isForgotten(error)) return;
    this.#stopSending(code ?? APPLICATION_CODE.done);
    this.#owner?.onEnd({ kind: "stopped", code });
  }

  #stopSending(code: number): void {
    if (this.#sendOver) return;
    this.#sendOver = true;
    this.#unsent.clear();
    this.#shutDown(SHUTDOWN_WRITE, code);
    this.#releaseIfOver();
  }

  #endReceiving(end: StreamEnd): void {
    this.#receiveOver = true;
    const owner = this.#owner;
    this.#releaseIfOver();
    owner?.onEnd(end);
  }

  #shutDown(direction: typeof SHUTDOWN_READ | typeof SHUTDOWN_WRITE, code: number): void {
    try {
      this.#host.native.streamShutdown(this.id, direction, code);
    } catch {
      // Over already, as the native library sees it.
    }
    this.#host.schedule();
  }

  #releaseIfOver(): void {
    if (this.#receiveOver) clearTimeout(this.#passOverTimer);
    if (this.#sendOver && this.#receiveOver) this.#host.released(this);
  }
}

/** Whether the native library is through with a stream: nothing can be sent because the peer has stopped that. */
function isForgotten(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("InvalidStreamState(");
}

/** The code that a peer gave, out of the native library's error text, for example `StreamReset(17)`. */
function peerCode(error: unknown, name: "StreamReset" | "StreamStopped"): number | undefined {
  const digits = error instanceof Error ? new RegExp(`^${name}\\((\\d+)\\)`).exec(error.message)?.[1] : undefined;
  return digits === undefined ? undefined : Number(digits);
}
