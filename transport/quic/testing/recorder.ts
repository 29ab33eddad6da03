/** Keeps what comes, in order, and lets a test wait for what has not come yet. */
export class Recorder<Item> {
  readonly #items: Item[] = [];
  #waiting: (() => void)[] = [];
  #over: string | undefined;

  /** What has come so far. */
  get items(): readonly Item[] {
    return this.#items;
  }

  add(item: Item): void {
    this.#items.push(item);
    this.#wake();
  }

  /** Nothing more will come; `why` is told to who waits for it. */
  end(why: string): void {
    this.#over ??= why;
    this.#wake();
  }

  /** The item at `index`, as soon as it is there; rejects when it can come no more. */
  async at(index: number): Promise<Item> {
    for (;;) {
      if (index < this.#items.length) return this.#items[index] as Item;
      if (this.#over !== undefined) throw new Error(`only ${this.#items.length} have come: ${this.#over}`);
      // deno-lint-ignore no-await-in-loop -- waits for one more each time
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** The first `count` items, as soon as they are there. */
  async first(count: number): Promise<readonly Item[]> {
    if (count > 0) await this.at(count - 1);
    return this.#items.slice(0, count);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
