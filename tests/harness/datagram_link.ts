import { changedConditions, CLEAR_LINK, HELD_BACK_MS, type LinkConditions } from "./link_conditions.ts";
import { seededNumbers } from "./seeded_numbers.ts";

/** What became of the datagrams that a link was given. */
export interface LinkCounters {
  taken: number;
  /** Copies included. */
  delivered: number;
  /** By chance. */
  lost: number;
  /** Because the link was blocked, those that were under way included. */
  blocked: number;
  duplicated: number;
  /** Held back, so that others could overtake them. */
  heldBack: number;
  /** Because too many were under way. */
  overflowed: number;
}

/** What {@linkcode DatagramLink} needs. */
export interface DatagramLinkOptions<Datagram> {
  /** The same seed and the same datagrams meet the same fate. */
  readonly seed: number;
  readonly deliver: (datagram: Datagram) => void;
  /** How many datagrams may be under way at once. Default: 16,384. */
  readonly capacity?: number;
}

/** One direction of a network: loses, delays, doubles and reorders datagrams as its conditions say. */
export class DatagramLink<Datagram> implements Disposable {
  readonly #numbers: () => number;
  readonly #deliver: (datagram: Datagram) => void;
  readonly #capacity: number;
  /** The soonest first. */
  readonly #underWay: { readonly datagram: Datagram; readonly dueAt: number }[] = [];
  readonly counters: LinkCounters = {
    taken: 0,
    delivered: 0,
    lost: 0,
    blocked: 0,
    duplicated: 0,
    heldBack: 0,
    overflowed: 0,
  };
  #conditions = CLEAR_LINK;
  #blocked = false;
  #lastDueAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ seed, deliver, capacity = 16_384 }: DatagramLinkOptions<Datagram>) {
    this.#numbers = seededNumbers(seed);
    this.#deliver = deliver;
    this.#capacity = capacity;
  }

  get conditions(): LinkConditions {
    return this.#conditions;
  }

  /** Applies to what is sent from now on; what is under way keeps its time. */
  change(changes: Partial<LinkConditions>): void {
    this.#conditions = changedConditions(this.#conditions, changes);
  }

  /** Nothing arrives any more, what is under way included, and nobody is told. */
  block(): void {
    this.#blocked = true;
    this.counters.blocked += this.#underWay.length;
    this.#forget();
  }

  /** Ends {@linkcode DatagramLink.block}. */
  unblock(): void {
    this.#blocked = false;
  }

  /** Sends a datagram on its way. */
  send(datagram: Datagram): void {
    this.counters.taken += 1;
    // Each datagram takes the same count of numbers, so that a change of conditions does not shift the others' fate.
    const [loss, duplication, reordering, jitter] = [
      this.#numbers(),
      this.#numbers(),
      this.#numbers(),
      this.#numbers(),
    ];
    const conditions = this.#conditions;
    if (this.#blocked) {
      this.counters.blocked += 1;
      return;
    }
    if (loss < conditions.loss) {
      this.counters.lost += 1;
      return;
    }
    const now = performance.now();
    const dueAt = Math.max(this.#lastDueAt, now + conditions.delayMs + conditions.jitterMs * jitter);
    const isHeldBack = reordering < conditions.reordering;
    const isDuplicated = duplication < conditions.duplication;
    this.#lastDueAt = dueAt;
    if (isHeldBack) this.counters.heldBack += 1;
    if (isDuplicated) this.counters.duplicated += 1;
    for (let copies = isDuplicated ? 2 : 1; copies > 0; copies -= 1) {
      this.#queue(datagram, isHeldBack ? dueAt + HELD_BACK_MS : dueAt);
    }
    this.#deliverDue(now);
  }

  /** Drops what is under way. */
  [Symbol.dispose](): void {
    this.#blocked = true;
    this.#forget();
  }

  #queue(datagram: Datagram, dueAt: number): void {
    if (this.#underWay.length >= this.#capacity) {
      this.counters.overflowed += 1;
      return;
    }
    const later = this.#underWay.findLastIndex((other) => other.dueAt <= dueAt);
    this.#underWay.splice(later + 1, 0, { datagram, dueAt });
  }

  #deliverDue(now: number): void {
    const firstLater = this.#underWay.findIndex(({ dueAt }) => dueAt > now);
    const due = this.#underWay.splice(0, firstLater === -1 ? this.#underWay.length : firstLater);
    this.counters.delivered += due.length;
    for (const { datagram } of due) this.#deliver(datagram);
    this.#arm(now);
  }

  /** The timer may be early by a fraction of a millisecond, and then waits for the rest. */
  #arm(now: number): void {
    clearTimeout(this.#timer);
    const [next] = this.#underWay;
    this.#timer = next === undefined
      ? undefined
      : setTimeout(() => this.#deliverDue(performance.now()), Math.ceil(next.dueAt - now));
  }

  #forget(): void {
    this.#underWay.length = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
