/** How much a child may write at once, in characters (UTF-16 code units, as text is held here). */
export const MAX_PRINT_CHARACTERS: number = 8 * 1024 * 1024;

/** How much more it may write each second, in characters. */
export const PRINT_CHARACTERS_PER_S: number = 1024 * 1024;

/** What a line costs at least, in characters: many short ones are work, too. */
export const LEAST_LINE_CHARACTERS = 1_024;

/** Bounds what one child writes, so that a flood costs palyra-node little. */
export class PrintBudget {
  readonly #nowMs: () => number;
  #characters = MAX_PRINT_CHARACTERS;
  #countedAtMs: number;

  /** `nowMs` tells the time of a clock that never goes back. */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
    this.#countedAtMs = nowMs();
  }

  /** Takes a line of this length off the budget; returns whether it was there to be taken. */
  take(lineLength: number): boolean {
    const now = this.#nowMs();
    const earned = (now - this.#countedAtMs) * PRINT_CHARACTERS_PER_S / 1_000;
    this.#characters = Math.min(MAX_PRINT_CHARACTERS, this.#characters + earned);
    this.#countedAtMs = now;
    this.#characters -= Math.max(lineLength, LEAST_LINE_CHARACTERS);
    return this.#characters >= 0;
  }
}
