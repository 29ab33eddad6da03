/** Something whose latency is measured. */
export interface Scenario extends AsyncDisposable {
  readonly name: string;
  /** Does it once. */
  once(): Promise<unknown>;
}
