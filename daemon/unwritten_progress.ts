import { PROGRESS_BYTES_KEPT, PROGRESS_KEPT, type RequestProgressRecord } from "./store/request_progress_record.ts";

const NOTHING: readonly RequestProgressRecord[] = [];

/**
 * The progress of one request that is not on disk yet: never more than the store would keep. Of what comes faster than
 * it can be written the oldest is dropped, which its readers see as a jump in the sequence.
 */
export class UnwrittenProgress {
  #reports: readonly RequestProgressRecord[] = NOTHING;
  #bytes = 0;

  /** In the order in which they came. */
  get reports(): readonly RequestProgressRecord[] {
    return this.#reports;
  }

  get isEmpty(): boolean {
    return this.#reports.length === 0;
  }

  /** Adds the newest. */
  add(report: RequestProgressRecord): void {
    const reports = [...this.#reports, report];
    this.#bytes += report.payloadJson.length;
    while (reports.length > 1 && (reports.length > PROGRESS_KEPT || this.#bytes > PROGRESS_BYTES_KEPT)) {
      this.#bytes -= reports.shift()?.payloadJson.length ?? 0;
    }
    this.#reports = reports;
  }

  /** Those of `written` are on disk. */
  drop(written: readonly RequestProgressRecord[]): void {
    if (this.isEmpty) return;
    const gone = new Set(written);
    this.#reports = this.#reports.filter((report) => !gone.has(report));
    this.#bytes = this.#reports.reduce((sum, { payloadJson }) => sum + payloadJson.length, 0);
  }
}
