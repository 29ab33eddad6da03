/** What came of one workload with one implementation. */
export interface QuicResult {
  /** For each round, per second; requests and handshakes by number, uploads in MiB. */
  readonly rates: readonly number[];
  /** Why there are no more. */
  readonly failure?: string;
}

/** The middle of `values`; undefined when there are none. */
export function median(values: readonly number[]): number | undefined {
  return [...values].sort((left, right) => left - right)[values.length >> 1];
}

/** The middle of the ratios of the same rounds, so that what disturbs a round disturbs both sides of it. */
export function medianRatio(left: QuicResult, right: QuicResult): number | undefined {
  const pairs = Math.min(left.rates.length, right.rates.length);
  return median(left.rates.slice(0, pairs).map((rate, round) => rate / (right.rates[round] ?? NaN)));
}
