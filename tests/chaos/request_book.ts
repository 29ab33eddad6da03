import type { ChaosOrder } from "./chaos_order.ts";

/** What a client was told of the end of its request. */
export interface ToldEnd {
  readonly state: string;
  /** How it was told. */
  readonly by: "execute" | "watch" | "cancel";
}

/** What the clients know of one request. */
export interface BookedRequest {
  readonly order: ChaosOrder;
  /** Every id that it was answered with: one, if all is well. */
  readonly requestIds: ReadonlySet<string>;
  readonly told: readonly ToldEnd[];
  /** No answer came, and it was not asked again: it may have been accepted or not. */
  readonly unanswered: boolean;
  /** Its client asked for it to be cancelled, or meant to. */
  readonly cancelAsked: boolean;
  /** How often its client had to ask again. */
  readonly repeats: number;
}

interface Entry extends BookedRequest {
  readonly requestIds: Set<string>;
  readonly told: ToldEnd[];
  unanswered: boolean;
  cancelAsked: boolean;
  repeats: number;
}

/** What the clients of the chaos run have asked for and were told: one side of the account that is balanced at its end. */
export class RequestBook {
  readonly #entries = new Map<number, Entry>();
  /** What a client saw that must not be, whatever the store says at the end. */
  readonly faults: string[] = [];

  get entries(): ReadonlyMap<number, BookedRequest> {
    return this.#entries;
  }

  /** A client is about to ask. */
  open(order: ChaosOrder): void {
    this.#entries.set(order.number, {
      order,
      requestIds: new Set(),
      told: [],
      unanswered: false,
      cancelAsked: false,
      repeats: 0,
    });
  }

  accepted(number: number, requestId: string): void {
    this.#entry(number).requestIds.add(requestId);
  }

  told(number: number, end: ToldEnd): void {
    this.#entry(number).told.push(end);
  }

  unanswered(number: number): void {
    this.#entry(number).unanswered = true;
  }

  repeated(number: number): void {
    this.#entry(number).repeats++;
  }

  cancelAsked(number: number): void {
    this.#entry(number).cancelAsked = true;
  }

  #entry(number: number): Entry {
    const entry = this.#entries.get(number);
    if (entry === undefined) throw new Error(`request ${number} was never made`);
    return entry;
  }
}
