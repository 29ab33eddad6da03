/**
 * Notices that a peer has gone silent.
 *
 * Hearing something costs one clock reading, not a timer. When the whole process was suspended (a closed lid, SIGSTOP)
 * the timer fires late and what came meanwhile has not been read yet, so a late timer gives the peer one more turn.
 */
export class SilenceWatch {
  readonly #onSilence: () => void;
  readonly #receivedAt: () => number | undefined;
  #limitMs = 0;
  #heardAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param onSilence Called once; start again to watch again.
   * @param receivedAt When anything last came that was not a whole message, by `performance.now()`.
   */
  constructor(onSilence: () => void, receivedAt: () => number | undefined = () => undefined) {
    this.#onSilence = onSilence;
    this.#receivedAt = receivedAt;
  }

  /** From now on, silence of more than `limitMs` counts. */
  start(limitMs: number): void {
    this.#limitMs = limitMs;
    this.heard();
    this.#arm(limitMs);
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #arm(ms: number): void {
    clearTimeout(this.#timer);
    const due = performance.now() + ms;
    this.#timer = setTimeout(() => {
      const now = performance.now();
      const lateMs = now - due;
      if (lateMs > SUSPENDED_MS) this.#heardAt = now - this.#limitMs + SUSPENDED_MS;
      const leftMs = Math.max(this.#heardAt, this.#receivedAt() ?? 0) + this.#limitMs - now;
      if (leftMs > 0) this.#arm(leftMs);
      else this.#onSilence();
    }, ms);
  }
}

/** A timer later than this was held up by more than a busy event loop, in milliseconds. */
const SUSPENDED_MS = 1_000;
