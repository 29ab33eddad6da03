import type { PeerSource } from "./peer_source.ts";
import { SourceQuota } from "./source_quota.ts";

/** How many handshakes may be unfinished at once. */
export interface HandshakeLimits {
  /** From other machines, in all. */
  readonly max: number;
  /** From one source on another machine. */
  readonly maxPerSource: number;
  /** From this machine. */
  readonly maxLocal: number;
}

/**
 * Connections of which nobody knows yet who they are, so that silence costs its sender a place among these and never
 * one among those that were let in.
 *
 * Remote peers: over a bound the new one is refused. A stranger cannot make room by pushing others out, and one address
 * cannot take the places of all.
 *
 * This machine: its handshakes have places of their own, so that no remote peer can keep the self-check and the local
 * operators out, nor a local program the remote peers. Local programs cannot be told apart by address, and refusing the
 * newest would let any of them shut the operator out by being silent; so here the oldest unfinished one gives way. To
 * push out a handshake, which takes some milliseconds, a local program would have to open all the local places within
 * that time, again and again: more than the accepting process lets in, and no more than it could do to the CPU anyway.
 */
export class UnfinishedHandshakes<Handshake> {
  readonly #remote: SourceQuota;
  readonly #maxLocal: number;
  readonly #displace: (handshake: Handshake) => void;
  readonly #sources = new Map<Handshake, PeerSource>();
  /** Oldest first. */
  readonly #local = new Set<Handshake>();

  /** @param displace Ends a local handshake whose place was given to a newer one. */
  constructor(limits: HandshakeLimits, displace: (handshake: Handshake) => void) {
    this.#remote = new SourceQuota(limits.max, limits.maxPerSource);
    this.#maxLocal = limits.maxLocal;
    this.#displace = displace;
  }

  /** Takes a place for `handshake`; false when there is none for this source. */
  begin(handshake: Handshake, source: PeerSource): boolean {
    if (source.local) {
      const [oldest] = this.#local;
      if (oldest !== undefined && this.#local.size >= this.#maxLocal) {
        this.end(oldest);
        this.#displace(oldest);
      }
      this.#local.add(handshake);
    } else if (!this.#remote.take(source.key)) {
      return false;
    }
    this.#sources.set(handshake, source);
    return true;
  }

  /** Gives the place back, if `handshake` still has one. */
  end(handshake: Handshake): void {
    const source = this.#sources.get(handshake);
    if (source === undefined) return;
    this.#sources.delete(handshake);
    if (source.local) this.#local.delete(handshake);
    else this.#remote.giveBack(source.key);
  }
}
