import type { Clock, UnixMs } from "./unix_ms.ts";

/** The bounds of a {@linkcode SourceRateLimit}. */
export interface SourceRateBounds {
  /** How many starts one source may make within the window. */
  readonly starts: number;
  /** The window that slides, in milliseconds. */
  readonly windowMs: number;
  /** How many sources are remembered; beyond it the one that was quiet the longest is forgotten. */
  readonly sources: number;
}

/** Lets each source start something so many times within a sliding window. Refused starts do not count. */
export class SourceRateLimit {
  readonly #bounds: SourceRateBounds;
  readonly #clock: Clock;
  // In order of the last start: a Map keeps the order of insertion.
  readonly #starts = new Map<string, UnixMs[]>();

  constructor(bounds: SourceRateBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
  }

  /** Counts one start of `source`; false, and not counted, when it has used its share. */
  tryStart(source: string): boolean {
    const now = this.#clock();
    const recent = this.#recent(source, now);
    if (recent.length >= this.#bounds.starts) return false;
    this.#starts.delete(source);
    this.#starts.set(source, [...recent, now]);
    if (this.#starts.size > this.#bounds.sources) this.#forgetOldest();
    return true;
  }

  /** Whether `source` has used its share; nothing is counted. */
  isSpent(source: string): boolean {
    return this.#recent(source, this.#clock()).length >= this.#bounds.starts;
  }

  /** What lies in the future is from before the clock was put back, and must not keep anybody out until then. */
  #recent(source: string, now: UnixMs): UnixMs[] {
    return (this.#starts.get(source) ?? []).filter((at) => at <= now && now - at < this.#bounds.windowMs);
  }

  #forgetOldest(): void {
    const [oldest] = this.#starts.keys();
    if (oldest !== undefined) this.#starts.delete(oldest);
  }
}
