/** Counts what is held at once, in all and by each source, and lets neither grow over its bound. */
export class SourceQuota {
  readonly #max: number;
  readonly #maxPerSource: number;
  readonly #bySource = new Map<string, number>();
  #count = 0;

  constructor(max: number, maxPerSource: number) {
    this.#max = max;
    this.#maxPerSource = maxPerSource;
  }

  /** Takes a place for `source`; false, and nothing changed, when there is none. */
  take(source: string): boolean {
    const held = this.#bySource.get(source) ?? 0;
    if (this.#count >= this.#max || held >= this.#maxPerSource) return false;
    this.#bySource.set(source, held + 1);
    this.#count++;
    return true;
  }

  /** Gives back a place that was taken for `source`. */
  giveBack(source: string): void {
    const held = this.#bySource.get(source) ?? 0;
    if (held === 0) return;
    if (held === 1) this.#bySource.delete(source);
    else this.#bySource.set(source, held - 1);
    this.#count--;
  }
}
