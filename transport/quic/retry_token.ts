import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Host } from "./quiche_addon.ts";

/** How long a client may take to come back with its token, in milliseconds. */
const TOKEN_LIFE_MS = 10_000;

const MAC_BYTES = 16;
const EXPIRY_BYTES = 8;

/** Tokens that are remembered as used; far more than handshakes that fit into the life of one. */
const MAX_USED = 16_384;

/**
 * Proofs that a client can receive at the address it sends from (RFC 9000, section 8.1.2), so that no state is kept for
 * an address before. A token holds for one address, one connection id and ten seconds, and works once.
 */
export class RetryTokens {
  readonly #key = randomBytes(32);
  readonly #now: () => number;
  /** Connection ids of used tokens with their expiry, oldest first. */
  readonly #used = new Map<string, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * A token for a client that sent its first packet to `originalId` and will send the next to `retryId`.
   * Layout: MAC, expiry (float64), original connection id.
   */
  issue(from: Host, originalId: Uint8Array, retryId: Uint8Array): Uint8Array {
    const token = new Uint8Array(MAC_BYTES + EXPIRY_BYTES + originalId.length);
    new DataView(token.buffer).setFloat64(MAC_BYTES, this.#now() + TOKEN_LIFE_MS);
    token.set(originalId, MAC_BYTES + EXPIRY_BYTES);
    token.set(this.#mac(from, retryId, token.subarray(MAC_BYTES)));
    return token;
  }

  /** The original connection id when the token is good, once; undefined otherwise. */
  redeem(token: Uint8Array, from: Host, retryId: Uint8Array): Uint8Array | undefined {
    if (token.length <= MAC_BYTES + EXPIRY_BYTES) return undefined;
    const body = token.subarray(MAC_BYTES);
    if (!timingSafeEqual(token.subarray(0, MAC_BYTES), this.#mac(from, retryId, body))) return undefined;
    const expiresAt = new DataView(body.buffer, body.byteOffset).getFloat64(0);
    if (expiresAt < this.#now()) return undefined;
    if (!this.#useOnce(retryId.toHex(), expiresAt)) return undefined;
    return body.slice(EXPIRY_BYTES);
  }

  #mac({ host, port }: Host, retryId: Uint8Array, body: Uint8Array): Uint8Array {
    // The lengths keep the fields apart.
    return createHmac("sha256", this.#key)
      .update(`${host} ${port} ${retryId.length}\n`)
      .update(retryId)
      .update(body)
      .digest()
      .subarray(0, MAC_BYTES);
  }

  #useOnce(id: string, expiresAt: number): boolean {
    if (this.#used.has(id)) return false;
    const now = this.#now();
    for (const [oldest, end] of this.#used) {
      if (end >= now) break;
      this.#used.delete(oldest);
    }
    // A replay costs one handshake that leads to nothing; refusing what is new would lock everybody out.
    const [oldest] = this.#used.keys();
    if (this.#used.size >= MAX_USED && oldest !== undefined) this.#used.delete(oldest);
    this.#used.set(id, expiresAt);
    return true;
  }
}
