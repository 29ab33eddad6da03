/** Something whose latency is measured. */
export interface Scenario extends AsyncDisposable {
  readonly name: string;
  /** How long to rest before each, in milliseconds; such a scenario has no rate. */
  readonly pauseMs?: number;
  /** Does it once. */
  once(): Promise<unknown>;
}
