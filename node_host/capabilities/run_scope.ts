import { PalyraError } from "../../identity/palyra_error.ts";

// A longer delay overflows the timer, which then fires at once.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The time in which one run may work: until its deadline or its cancellation, whichever comes first. */
export class RunScope implements Disposable {
  readonly #controller = new AbortController();
  readonly #cancelSignal: AbortSignal;
  readonly #onCancel: () => void;
  readonly #timer: ReturnType<typeof setTimeout>;

  /** `timeLeftMs` above 24.8 days counts as 24.8 days; at 0 or less the time is over already. */
  constructor(cancelSignal: AbortSignal, timeLeftMs: number) {
    this.#cancelSignal = cancelSignal;
    this.#onCancel = () => this.#controller.abort(cancellation(cancelSignal.reason));
    this.#timer = setTimeout(() => this.#controller.abort(deadlineExceeded()), Math.min(timeLeftMs, MAX_TIMER_MS));
    if (cancelSignal.aborted) this.#onCancel();
    else cancelSignal.addEventListener("abort", this.#onCancel, { once: true });
    if (!(timeLeftMs > 0)) this.#controller.abort(deadlineExceeded());
  }

  /** Its reason is a `PalyraError`: `deadline_exceeded`, `cancelled`, or what the canceller gave. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Settles as `work` does, or rejects with the signal's reason as soon as the time is over. */
  async race<Value>(work: Promise<Value>): Promise<Value> {
    const over = Promise.withResolvers<never>();
    const onOver = () => over.reject(this.signal.reason);
    if (this.signal.aborted) onOver();
    else this.signal.addEventListener("abort", onOver, { once: true });
    try {
      // The race also takes the late failure of work that has nobody left to report to.
      return await Promise.race([over.promise, work]);
    } finally {
      this.signal.removeEventListener("abort", onOver);
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#cancelSignal.removeEventListener("abort", this.#onCancel);
  }
}

function deadlineExceeded(): PalyraError {
  return new PalyraError("deadline_exceeded", "The request's time was over before it ended; give it more time.");
}

function cancellation(reason: unknown): PalyraError {
  if (reason instanceof PalyraError) return reason;
  return new PalyraError("cancelled", "The request was cancelled before it ended.", { cause: reason });
}
