import { getLogger } from "@logtape/logtape";
import type { PalyraError } from "../identity/palyra_error.ts";

const log = getLogger(["palyra", "daemon", "listener"]);

/** Refusals of one listener that are logged one by one within a window. */
const MAX_LOGGED = 20;

/** Length of a window, in milliseconds. */
const WINDOW_MS = 60_000;

/** Logs connections that were not let in, so that a flood of them is told and does not fill the disk. */
export class RefusalLog {
  readonly #listener: string;
  readonly #now: () => number;
  #windowStart = -Infinity;
  #count = 0;

  /** `listener` is the name that the log shows. */
  constructor(listener: string, now: () => number = () => performance.now()) {
    this.#listener = listener;
    this.#now = now;
  }

  /** A connection was refused. */
  refused(remoteAddress: string, error: PalyraError): void {
    const now = this.#now();
    if (now - this.#windowStart >= WINDOW_MS) {
      if (this.#count > MAX_LOGGED) {
        log.warn("More connections were refused than were logged.", { listener: this.#listener, refused: this.#count });
      }
      this.#windowStart = now;
      this.#count = 0;
    }
    this.#count++;
    if (this.#count <= MAX_LOGGED) log.warn("Connection refused.", { listener: this.#listener, remoteAddress, error });
  }
}
