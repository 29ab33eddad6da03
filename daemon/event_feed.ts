import { PalyraError } from "../identity/palyra_error.ts";

/** Events that may wait for a reader before it counts as not reading. */
const MAX_WAITING = 1_024;

/** Turns pushed events into an async iterable with a bound: a reader that does not keep up gets `slow_peer`. */
export class EventFeed<T> implements AsyncIterable<T> {
  #waiting: T[] = [];
  #ended = false;
  #overflowed = false;
  #wake: () => void = () => {};

  /** Adds an event; does nothing after the end. */
  push(event: T): void {
    if (this.#ended) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#overflowed = true;
      this.end();
      return;
    }
    this.#waiting.push(event);
    this.#wake();
  }

  /** Lets the reader finish what waits, and then end. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Reads until {@linkcode end}; one reader at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for (;;) {
      const batch = this.#waiting;
      this.#waiting = [];
      yield* batch;
      if (this.#waiting.length > 0) continue;
      if (this.#overflowed) {
        throw new PalyraError("slow_peer", "The caller did not read fast enough. Watch again to see where it stands.");
      }
      if (this.#ended) return;
      // deno-lint-ignore no-await-in-loop -- waits for the next push
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }
}
