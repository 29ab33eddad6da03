/** Something that ended the sessions of a node. Times are in milliseconds since 1970. */
export interface Disaster {
  /** `daemon`, or the name of a node. */
  readonly of: string;
  /** Not before this. */
  readonly from: number;
  /** Not after this. */
  readonly to: number;
}

/**
 * The daemon notices so long after a node's death or a broken link, at the latest, that the session is over; in
 * milliseconds. UDP tells it nothing: it is the keep-alive and some slack for a machine that is busy.
 */
export const NOTICED_WITHIN_MS = 8_000;

/** What the chaos run did to processes and links: by it, an outcome that is said to be unknown can be checked. */
export class DisasterLog {
  readonly #deaths: Disaster[] = [];
  readonly #breaks: Disaster[] = [];

  /** A process was killed. */
  addDeath(death: Disaster): void {
    this.#deaths.push(death);
  }

  /** A link was broken, and both its ends lived on. */
  addBreak(brokenLink: Disaster): void {
    this.#breaks.push(brokenLink);
  }

  /** Whether the process `of` was killed between the two times, both included. */
  diedBetween(of: string, from: number, to: number): boolean {
    return this.#deaths.some((death) => death.of === of && death.to >= from && death.from <= to);
  }

  /** Whether a session of `node` may have been found ended between the two times, both included. */
  brokeBetween(node: string, from: number, to: number): boolean {
    return this.diedBetween(node, from - NOTICED_WITHIN_MS, to) || this.diedBetween("daemon", from, to) ||
      this.#breaks.some((each) => each.of === node && each.to + NOTICED_WITHIN_MS >= from && each.from <= to);
  }
}
