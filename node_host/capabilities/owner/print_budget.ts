/** How much a child may write at once, in bytes. */
export const MAX_PRINT_BYTES: number = 8 * 1024 * 1024;

/** How much more it may write each second, in bytes. */
export const PRINT_BYTES_PER_S: number = 1024 * 1024;

/** What a line costs at least, in bytes: many short ones are work, too. */
export const LEAST_LINE_BYTES = 1_024;

/** Bounds what one child writes, so that a flood costs palyra-node little. */
export class PrintBudget {
  readonly #nowMs: () => number;
  #bytes = MAX_PRINT_BYTES;
  #countedAtMs: number;

  /** `nowMs` tells the time of a clock that never goes back. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#countedAtMs = nowMs();
  }

  /** Takes a line of this length off the budget; returns whether it was there to be taken. */
  take(lineBytes: number): boolean {
    const now = this.#nowMs();
    const earned = (now - this.#countedAtMs) * PRINT_BYTES_PER_S / 1_000;
    this.#bytes = Math.min(MAX_PRINT_BYTES, this.#bytes + earned);
    this.#countedAtMs = now;
    this.#bytes -= Math.max(lineBytes, LEAST_LINE_BYTES);
    return this.#bytes >= 0;
  }
}
