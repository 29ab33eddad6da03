/**
 * Tells the streams that a peer has opened from those that are over, by their numbers alone: with loss they show up in
 * any order, and the native library names a stream also after this side is done with it.
 *
 * Bounded by the stream limit: only numbers below the highest one seen can be missing.
 */
export class PeerStreamIds {
  /** By type of stream (RFC 9000, section 2.1): the lowest two bits. */
  readonly #highest = [-4, -3, -2, -1];
  readonly #missing = new Set<number>();

  /** Whether this is the first time that `id` shows up. */
  isNew(id: number): boolean {
    if (this.#missing.delete(id)) return true;
    const type = id % 4;
    const highest = this.#highest[type] ?? -1;
    if (id <= highest) return false;
    for (let skipped = highest + 4; skipped < id; skipped += 4) this.#missing.add(skipped);
    this.#highest[type] = id;
    return true;
  }
}
