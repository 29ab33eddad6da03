/** Bounds how many things run at once; the others wait their turn in the order in which they came. */
export class ChildSlots {
  /** How many places there are. */
  readonly count: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.count = this.#free = count;
  }

  /** Resolves with a place once there is one, to be disposed of. Rejects with the signal's reason when that comes first. */
  async take(signal: AbortSignal): Promise<Disposable> {
    await this.#enter(signal);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#leave();
        held = false;
      },
    };
  }

  async #enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const onAbort = () => {
      const place = this.#waiting.indexOf(turn.resolve);
      // It may have had its turn already and not know of it yet.
      if (place >= 0) this.#waiting.splice(place, 1);
      turn.reject(signal.reason);
    };
    this.#waiting.push(turn.resolve);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  // A place is handed on rather than freed, so that a newcomer cannot take it in between.
  #leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
