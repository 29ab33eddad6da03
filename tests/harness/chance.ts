import { type Numbers, seededNumbers } from "./seeded_numbers.ts";

/** Decisions that look random and are the same for the same seed. */
export class Chance {
  readonly #numbers: Numbers;

  constructor(seed: number) {
    this.#numbers = seededNumbers(seed);
  }

  /** A whole number from 0 to `bound`, which is excluded. */
  below(bound: number): number {
    return Math.floor(this.#numbers() * bound);
  }

  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True once in `times` on average. */
  oneIn(times: number): boolean {
    return this.below(times) === 0;
  }

  /** One of `all`, which is not empty. */
  one<T>(all: readonly T[]): T {
    if (all.length === 0) throw new RangeError("nothing to choose from");
    return all[this.below(all.length)] as T;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** `all` in another order. */
  shuffled<T>(all: readonly T[]): T[] {
    return all.map((value) => ({ value, at: this.#numbers() })).sort((a, b) => a.at - b.at).map(({ value }) => value);
  }
}
