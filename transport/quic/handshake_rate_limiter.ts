import type { HandshakeRate } from "./quic_transport_limits.ts";

/** Sources that are remembered; the one that was heard of longest ago makes room. */
const MAX_SOURCES = 4_096;

interface Bucket {
  tokens: number;
  at: number;
}

/** Lets each source begin so many handshakes (a token bucket). */
export class HandshakeRateLimiter {
  readonly #rate: HandshakeRate;
  readonly #now: () => number;
  /** Longest ago first. */
  readonly #buckets = new Map<string, Bucket>();

  /** `now` in milliseconds. */
  constructor(rate: HandshakeRate, now: () => number = () => performance.now()) {
    this.#rate = rate;
    this.#now = now;
  }

  /** Whether `source` may begin one more now; counts it if so. */
  allows(source: string): boolean {
    const now = this.#now();
    const { burst, perSecond } = this.#rate;
    const bucket = this.#buckets.get(source) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / 1_000 * perSecond);
    const allowed = tokens >= 1;
    this.#buckets.delete(source);
    this.#buckets.set(source, { tokens: allowed ? tokens - 1 : tokens, at: now });
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > MAX_SOURCES && oldest !== undefined) this.#buckets.delete(oldest);
    return allowed;
  }
}
