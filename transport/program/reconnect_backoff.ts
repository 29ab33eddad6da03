/** How {@linkcode ReconnectBackoff} spaces its attempts. */
export interface ReconnectBackoffOptions {
  /** The bound of the first wait, in milliseconds. 500 by default. */
  readonly baseMs?: number;
  /** The bound that doubling ends at, in milliseconds. 30,000 by default. */
  readonly maxMs?: number;
  /** A session that lasted this long counts as good and starts the doubling anew, in milliseconds. 30,000 by default. */
  readonly steadyMs?: number;
  /** A number in [0, 1), uniform. `Math.random` by default: nothing secret hangs on it. */
  readonly random?: () => number;
}

/**
 * When to try again: full jitter under a bound that doubles (Brooker, "Exponential Backoff And Jitter"), for ever. Full
 * jitter spreads the nodes that all lost the same daemon at once.
 */
export class ReconnectBackoff {
  readonly #baseMs: number;
  readonly #maxMs: number;
  readonly #steadyMs: number;
  readonly #random: () => number;
  #boundMs: number;

  constructor(options: ReconnectBackoffOptions = {}) {
    this.#baseMs = options.baseMs ?? 500;
    this.#maxMs = options.maxMs ?? 30_000;
    this.#steadyMs = options.steadyMs ?? 30_000;
    this.#random = options.random ?? Math.random;
    this.#boundMs = this.#baseMs;
  }

  /** The next wait, in milliseconds; each call doubles the bound of the one after. */
  nextDelayMs(): number {
    const delay = Math.floor(this.#random() * this.#boundMs);
    this.#boundMs = Math.min(this.#maxMs, this.#boundMs * 2);
    return delay;
  }

  /** Tells how long a session lasted, in milliseconds: a steady one starts the doubling anew, a short one does not. */
  sessionEnded(lastedMs: number): void {
    if (lastedMs >= this.#steadyMs) this.reset();
  }

  /** Starts the doubling anew: after a steady session, or when the network changed. */
  reset(): void {
    this.#boundMs = this.#baseMs;
  }

  /** Waits for {@linkcode nextDelayMs}. Rejects with the signal's reason when it aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return sleep(this.nextDelayMs(), signal);
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", aborted);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", aborted, { once: true });
  });
}
