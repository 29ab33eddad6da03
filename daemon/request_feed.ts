import type { RequestEvent } from "./live_request.ts";
import { PROGRESS_BYTES_KEPT, PROGRESS_KEPT } from "./store/request_progress_record.ts";

/** Changes of state that wait for a reader; a node may ask its owner again and again. */
const STATES_KEPT = 64;

/**
 * Turns what a watcher is told into an async iterable with a bound. A reader that lags loses the oldest: it sees that
 * progress is missing by the jump in its numbers, and of the states it always gets the newest.
 */
export class RequestFeed implements AsyncIterable<RequestEvent> {
  #waiting: RequestEvent[] = [];
  #progressBytes = 0;
  #progressCount = 0;
  #ended = false;
  #wake: () => void = () => {};

  /** Adds an event; does nothing after the end. */
  push(event: RequestEvent): void {
    if (this.#ended) return;
    this.#waiting.push(event);
    if (event.kind === "progress") {
      this.#progressCount++;
      this.#progressBytes += event.progress.payloadJson.length;
      while (
        this.#progressCount > 1 && (this.#progressCount > PROGRESS_KEPT || this.#progressBytes > PROGRESS_BYTES_KEPT)
      ) this.#dropOldest("progress");
    } else if (this.#waiting.length - this.#progressCount > STATES_KEPT) {
      this.#dropOldest("state");
    }
    this.#wake();
  }

  /** Lets the reader finish what waits, and then end. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Reads until {@linkcode end}; one reader at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<RequestEvent, void, void> {
    for (;;) {
      for (let event = this.#take(); event !== undefined; event = this.#take()) yield event;
      if (this.#ended) return;
      // deno-lint-ignore no-await-in-loop -- waits for the next push
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #take(): RequestEvent | undefined {
    const event = this.#waiting.shift();
    this.#forget(event);
    return event;
  }

  #dropOldest(kind: RequestEvent["kind"]): void {
    const index = this.#waiting.findIndex((event) => event.kind === kind);
    const [dropped] = this.#waiting.splice(index, 1);
    this.#forget(dropped);
  }

  #forget(event: RequestEvent | undefined): void {
    if (event?.kind !== "progress") return;
    this.#progressCount--;
    this.#progressBytes -= event.progress.payloadJson.length;
  }
}
