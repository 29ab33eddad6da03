import { hasEnded, REQUEST_STATES, type RequestState } from "./request_state.ts";

/** What became of the requests since the daemon's start, in numbers that only grow. */
export class RequestCounters {
  readonly #endedByState = new Map<RequestState, number>();
  #dispatched = 0;

  constructor() {
    // Every end is there from the start, so that the first of its kind shows as a change.
    for (const state of REQUEST_STATES) if (hasEnded(state)) this.#endedByState.set(state, 0);
  }

  /** Attempts that were handed to a session; a request that is dispatched again counts again. */
  get dispatched(): number {
    return this.#dispatched;
  }

  /** Requests that have ended, by how; every final state has an entry. */
  get endedByState(): ReadonlyMap<RequestState, number> {
    return this.#endedByState;
  }

  /** An attempt was handed to a session. */
  countDispatch(): void {
    this.#dispatched++;
  }

  /** A request ended in `state`; a state that is not final counts nothing. */
  countEnd(state: RequestState): void {
    const count = this.#endedByState.get(state);
    if (count !== undefined) this.#endedByState.set(state, count + 1);
  }
}
