/** Notices that a connection has had no stream for too long, however lively it is. */
export class StreamlessWatch {
  readonly #limitMs: number;
  readonly #hasStreams: () => boolean;
  readonly #onTooLong: () => void;
  #since = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `onTooLong` is called when there has been no stream for `limitMs` milliseconds. */
  constructor(limitMs: number, hasStreams: () => boolean, onTooLong: () => void) {
    this.#limitMs = limitMs;
    this.#hasStreams = hasStreams;
    this.#onTooLong = onTooLong;
  }

  /** There is no stream from now on. */
  begin(): void {
    this.#since = performance.now();
    if (this.#timer === undefined) this.#arm(this.#limitMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** A stream that comes does not stop the timer: connections have many, one after the other. */
  #arm(inMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#hasStreams()) return;
      const leftMs = this.#since + this.#limitMs - performance.now();
      if (leftMs > 0) this.#arm(leftMs);
      else this.#onTooLong();
    }, inMs);
  }
}
