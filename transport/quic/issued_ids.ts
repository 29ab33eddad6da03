import { newConnectionId } from "./connection_id.ts";
import type { NativeConnection } from "./quiche_addon.ts";

/** The most ids that one peer is given at once; the peers that there are take from 2 to 8. */
const MAX_IDS = 16;

/** What the ids of a connection need of it. */
export interface IdHost {
  readonly native: NativeConnection;
  /** What the peer is told to know a stateless reset for this id by, as a number of 128 bits. */
  resetTokenOf(id: Uint8Array): bigint;
  /** Datagrams to this id come to the connection from now on. */
  route(id: string): void;
  /** The peer has given this id back: what still comes to it is late. */
  retire(id: string): void;
  /** Has what was issued sent soon. */
  schedule(): void;
}

/**
 * The ids by which a peer addresses this side of a connection. A peer that was given a whole new set of them has to take
 * one of it (RFC 9000, section 5.1.2), so an id of the set says that its sender has received what went to where the set
 * went, which acknowledgements do not say: they can be made up.
 */
export class IssuedIds {
  readonly #host: IdHost;
  readonly #pauseMs: number;
  readonly #now: () => number;
  /** Of the set that is being issued, in hex. */
  readonly #fresh = new Set<string>();
  #peerLimit: number | undefined;
  /** Ids that the set still lacks. */
  #missing = 0;
  #issuedAt = -Infinity;
  /** When the first id of the set may be issued. */
  #notBefore = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `pauseMs`: how long after the ids of one set those of the next are issued at the soonest, in milliseconds. quiche 0.18
   * breaks down when it has to repeat the word of an id that was given back meanwhile; by then it has nothing to repeat.
   */
  constructor(host: IdHost, pauseMs: number, now: () => number = () => performance.now()) {
    this.#host = host;
    this.#pauseMs = pauseMs;
    this.#now = now;
  }

  /** Whether this peer can be given sets; known when the handshake is complete. */
  get canIssue(): boolean {
    return this.#limit <= MAX_IDS;
  }

  /** Issues a new set, as far as the peer has room for it; the rest follows as the peer gives old ids back. */
  begin(): void {
    this.end();
    this.#missing = this.#limit;
    this.#notBefore = this.#issuedAt + this.#pauseMs;
    this.#issue();
  }

  /** Whether an id belongs to the set that was begun last and is not at its end. */
  isFresh(id: string): boolean {
    return this.#fresh.has(id);
  }

  /** The set means nothing any more, or its owner has gone. */
  end(): void {
    this.#fresh.clear();
    this.#missing = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Notices what the peer has given back. To be called after each datagram, before the next one is looked at. */
  noticeRetired(): void {
    // An id that the handshake has given is never given back without another.
    if (this.#issuedAt === -Infinity) return;
    const { native } = this.#host;
    for (let id = native.retiredScidNext(); id !== null; id = native.retiredScidNext()) {
      this.#host.retire(new Uint8Array(id).toHex());
    }
    this.#issue();
  }

  get #limit(): number {
    return this.#peerLimit ??= this.#host.native.stats().peerActiveConnIdLimit;
  }

  #issue(): void {
    if (this.#missing === 0 || this.#timer !== undefined) return;
    const waitMs = this.#notBefore - this.#now();
    if (waitMs > 0) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#issue();
        this.#host.schedule();
      }, waitMs);
      return;
    }
    const { native } = this.#host;
    // The native library has room for so many, and leaves its state in disorder when it is asked for more.
    while (this.#missing > 0 && native.activeSourceCids() < 2 * this.#limit - 1) {
      const id = newConnectionId();
      try {
        native.newSourceCid(id, this.#host.resetTokenOf(id), true);
      } catch {
        // The peer has given back what it may not, which ends the connection.
        return this.end();
      }
      this.#host.route(id.toHex());
      this.#fresh.add(id.toHex());
      this.#missing--;
      this.#issuedAt = this.#now();
    }
  }
}
