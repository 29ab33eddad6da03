/** How often a {@linkcode PeriodicCheck} looks, in milliseconds: a machine that wakes up is served within a minute. */
export const CHECK_EVERY_MS = 60_000;

/**
 * Does something every so often, never twice at a time, until it is stopped. For what goes by the wall clock: one long
 * timer would stand still while the machine sleeps, and would not notice that the clock was set.
 */
export class PeriodicCheck {
  readonly #timer: ReturnType<typeof setInterval>;
  #running: Promise<void> | undefined;

  /** @param check deals with its failures itself: it must not reject. */
  constructor(check: () => Promise<void>, everyMs: number = CHECK_EVERY_MS) {
    this.#timer = setInterval(() => {
      this.#running ??= check().finally(() => this.#running = undefined);
    }, everyMs);
  }

  /** Begins no further check; resolves when one under way is done. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
