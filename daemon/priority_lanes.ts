import { REQUEST_PRIORITIES, type RequestPriority } from "./request_priority.ts";
import { WaitingLine } from "./waiting_line.ts";

/** Of twelve turns while all three lanes wait, so many are of each. */
const WEIGHTS: Readonly<Record<RequestPriority, number>> = { high: 8, normal: 3, low: 1 };

/** What waits in {@linkcode PriorityLanes}. */
export interface Waiting {
  readonly record: { readonly priority: RequestPriority; readonly capability: string };
}

/** The requests of one priority, in a line for each capability. */
class Lane<T extends Waiting> {
  readonly weight: number;
  readonly lines = new Map<string, WaitingLine<T>>();
  /** How far it is behind its share. */
  credit = 0;

  constructor(priority: RequestPriority) {
    this.weight = WEIGHTS[priority];
  }

  lineOf({ record: { capability } }: T): WaitingLine<T> {
    let line = this.lines.get(capability);
    if (line === undefined) this.lines.set(capability, line = new WaitingLine());
    return line;
  }

  leave(request: T): boolean {
    const { capability } = request.record;
    const line = this.lines.get(capability);
    if (line === undefined || !line.leave(request)) return false;
    if (line.length === 0) this.lines.delete(capability);
    if (this.lines.size === 0) this.credit = 0;
    return true;
  }

  /** The one that has waited longest among those whose capability is not held up. */
  first(isHeldUp: (capability: string) => boolean): T | undefined {
    let found: { readonly item: T; readonly order: number } | undefined;
    for (const [capability, { first }] of this.lines) {
      if (first === undefined || found !== undefined && found.order < first.order || isHeldUp(capability)) continue;
      found = first;
    }
    return found?.item;
  }
}

/**
 * What waits for one node, and whose turn it is.
 *
 * The rule is a weighted round: while `high`, `normal` and `low` all have something to run, of twelve turns they get
 * eight, three and one, spread evenly; what a lane does not need goes to the others in the same proportion. So the
 * urgent goes first and nothing starves: the first of the `low` waits for eleven others at most. Within a lane the order
 * is that of acceptance, and a capability that is held up holds up nobody behind it.
 */
export class PriorityLanes<T extends Waiting> {
  readonly #lanes: Readonly<Record<RequestPriority, Lane<T>>> = {
    high: new Lane("high"),
    normal: new Lane("normal"),
    low: new Lane("low"),
  };
  #size = 0;
  #newest = 0;
  #oldest = 0;

  get size(): number {
    return this.#size;
  }

  /** Joins behind all of its priority. */
  join(request: T): void {
    this.#lanes[request.record.priority].lineOf(request).join(request, ++this.#newest);
    this.#size++;
  }

  /** Joins before all of its priority: it was on its way already. */
  joinFront(request: T): void {
    this.#lanes[request.record.priority].lineOf(request).joinFront(request, --this.#oldest);
    this.#size++;
  }

  /** Leaves; false when it was not waiting. */
  leave(request: T): boolean {
    const left = this.#lanes[request.record.priority].leave(request);
    if (left) this.#size--;
    return left;
  }

  /**
   * Takes out the one whose turn it is. Undefined when nothing waits that is not held up, or when the one whose turn it
   * is does not fit (`fits`): it keeps its turn, so that what is large is not passed over for ever.
   */
  take(isHeldUp: (capability: string) => boolean, fits: (request: T) => boolean): T | undefined {
    if (this.#size === 0) return undefined;
    let total = 0;
    let turn: { readonly lane: Lane<T>; readonly first: T } | undefined;
    const contenders: Lane<T>[] = [];
    for (const priority of REQUEST_PRIORITIES) {
      const lane = this.#lanes[priority];
      const first = lane.first(isHeldUp);
      if (first === undefined) continue;
      contenders.push(lane);
      total += lane.weight;
      if (turn === undefined || lane.credit + lane.weight > turn.lane.credit + turn.lane.weight) turn = { lane, first };
    }
    if (turn === undefined || !fits(turn.first)) return undefined;
    for (const lane of contenders) lane.credit += lane.weight;
    turn.lane.credit -= total;
    this.leave(turn.first);
    return turn.first;
  }

  /** Everything that waits, the more urgent first. */
  *[Symbol.iterator](): Generator<T, void, void> {
    for (const priority of REQUEST_PRIORITIES) {
      for (const line of this.#lanes[priority].lines.values()) yield* line;
    }
  }
}
