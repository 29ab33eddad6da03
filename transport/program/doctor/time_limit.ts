import { PalyraError } from "../../../identity/palyra_error.ts";

/** How long one question to the network may take, in milliseconds. */
export const NETWORK_LIMIT_MS = 5_000;

/** How long a doctor may take in all, in milliseconds. */
export const DOCTOR_LIMIT_MS = 20_000;

/** A signal that aborts after a time, with `deadline_exceeded`, or with another one; disposing it ends the timer. */
export class TimeLimit implements Disposable {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(limitMs: number, outer?: AbortSignal) {
    const over = new AbortController();
    this.#timer = setTimeout(() => over.abort(tooLate()), limitMs);
    this.signal = outer === undefined ? over.signal : AbortSignal.any([over.signal, outer]);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}

/** What took longer than it may, as a failure. */
export function tooLate(): PalyraError {
  return new PalyraError(
    "deadline_exceeded",
    "This did not end in time. Run it again when the machine and its disk are less busy.",
  );
}
