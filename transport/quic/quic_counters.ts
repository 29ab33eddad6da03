import type { ReasonCode } from "../../identity/reason_code.ts";

/** What a QUIC listener has done since its start. */
export interface QuicCounters {
  /** Connections that were let in. */
  readonly accepted: number;
  /** Connections that are open. */
  readonly open: number;
  /** Connections that something is kept of: the open ones, those in their handshake and those that are closing. */
  readonly held: number;
  /** Connections and requests that were refused, by reason. */
  readonly refused: ReadonlyMap<ReasonCode, number>;
  readonly datagramsReceived: number;
  readonly datagramsSent: number;
  /** Datagrams that the system did not take. */
  readonly datagramsDropped: number;
}

/** Counts refusals by reason; bounded by the number of reasons. */
export class RefusalCounts {
  readonly #byCode = new Map<ReasonCode, number>();

  get byCode(): ReadonlyMap<ReasonCode, number> {
    return this.#byCode;
  }

  count(code: ReasonCode): void {
    this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1);
  }
}
