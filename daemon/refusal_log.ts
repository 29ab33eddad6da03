import { getLogger } from "@logtape/logtape";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";

const log = getLogger(["palyra", "daemon", "listener"]);

/** Refusals of one listener that are logged one by one within a window. */
const MAX_LOGGED = 20;

/** Length of a window, in milliseconds. */
const WINDOW_MS = 60_000;

/**
 * Logs connections that were not let in, so that a flood of them is told and does not fill the disk; and counts them
 * all, by reason.
 */
export class RefusalLog {
  readonly #listener: string;
  readonly #now: () => number;
  readonly #byReason = new Map<ReasonCode, number>();
  #windowStart = -Infinity;
  #countInWindow = 0;

  /** `listener` is the name that the log shows. */
  constructor(listener: string, now: () => number = () => performance.now()) {
    this.#listener = listener;
    this.#now = now;
  }

  /** How many connections were refused since the start; one entry for each reason that there was, so never many. */
  get countsByReason(): ReadonlyMap<ReasonCode, number> {
    return this.#byReason;
  }

  /** A connection was refused. */
  refused(remoteAddress: string, error: PalyraError): void {
    this.#byReason.set(error.code, (this.#byReason.get(error.code) ?? 0) + 1);
    const now = this.#now();
    if (now - this.#windowStart >= WINDOW_MS) {
      if (this.#countInWindow > MAX_LOGGED) {
        log.warn("More connections were refused than were logged.", {
          listener: this.#listener,
          refused: this.#countInWindow,
        });
      }
      this.#windowStart = now;
      this.#countInWindow = 0;
    }
    this.#countInWindow++;
    if (this.#countInWindow > MAX_LOGGED) return;
    log.warn("Connection refused.", { listener: this.#listener, remoteAddress, error });
  }
}
