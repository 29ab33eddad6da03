import type { Clock, UnixMs } from "../../identity/unix_ms.ts";

/** The largest progress payload, in bytes of JSON. */
export const MAX_PROGRESS_BYTES: number = 16 * 1024;

/** The shortest time between two progress messages of one run, in milliseconds. */
export const MIN_PROGRESS_INTERVAL_MS = 100;

/** Bounds what one run of a capability may report: the size of a message, their rate, and none after the end. */
export class ProgressReporter {
  readonly #send: (payloadJson: Uint8Array) => void;
  readonly #clock: Clock;
  #lastSentAt: UnixMs | undefined;
  #ended = false;

  constructor(send: (payloadJson: Uint8Array) => void, clock: Clock) {
    this.#send = send;
    this.#clock = clock;
  }

  /** Sends a payload, or drops it when it comes too soon or too late. Throws TypeError when it is not JSON or too large. */
  report(payload: unknown): void {
    const text = JSON.stringify(payload);
    if (text === undefined) throw new TypeError("a progress payload must be a JSON value");
    const bytes = new TextEncoder().encode(text);
    if (bytes.byteLength > MAX_PROGRESS_BYTES) {
      throw new TypeError(`a progress payload has at most ${MAX_PROGRESS_BYTES} bytes, not ${bytes.byteLength}`);
    }
    const now = this.#clock();
    // A clock set back must not silence the run until it has caught up.
    const sinceLast = this.#lastSentAt === undefined ? Infinity : Math.abs(now - this.#lastSentAt);
    if (this.#ended || sinceLast < MIN_PROGRESS_INTERVAL_MS) return;
    this.#lastSentAt = now;
    this.#send(bytes);
  }

  /** From here on every report is dropped. */
  end(): void {
    this.#ended = true;
  }
}
