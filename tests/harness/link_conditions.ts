/** What one direction of a network does to datagrams. Chances are from 0 (never) to 1 (always), times in milliseconds. */
export interface LinkConditions {
  /** The chance that a datagram never arrives. */
  readonly loss: number;
  /** How long a datagram is under way. */
  readonly delayMs: number;
  /** Added to the delay: between nothing and this, anew for each datagram. It keeps their order. */
  readonly jitterMs: number;
  /** The chance that a datagram arrives twice. */
  readonly duplication: number;
  /** The chance that a datagram is held back for {@linkcode HELD_BACK_MS}, so that those behind it overtake it. */
  readonly reordering: number;
}

/** How much longer than the others a datagram is under way that is to be overtaken, in milliseconds. */
export const HELD_BACK_MS = 10;

/** Everything arrives, once, in order and at once. */
export const CLEAR_LINK: LinkConditions = { loss: 0, delayMs: 0, jitterMs: 0, duplication: 0, reordering: 0 };

/** `conditions` with `changes`; throws RangeError when one of them makes no sense. */
export function changedConditions(conditions: LinkConditions, changes: Partial<LinkConditions>): LinkConditions {
  const changed = { ...conditions, ...changes };
  for (const name of ["loss", "duplication", "reordering"] as const) {
    if (!(changed[name] >= 0 && changed[name] <= 1)) throw new RangeError(`${name} is a chance from 0 to 1`);
  }
  for (const name of ["delayMs", "jitterMs"] as const) {
    if (!(changed[name] >= 0 && changed[name] <= 60_000)) throw new RangeError(`${name} is a time up to a minute`);
  }
  return changed;
}
