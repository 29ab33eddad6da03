import { getLogger } from "@logtape/logtape";
import type { LiveRequest } from "./live_request.ts";
import type { RequestProgressRecord } from "./store/request_progress_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** How long progress may wait for somebody else's commit, in milliseconds. */
const PATIENCE_MS = 100;

/** How long to wait after a failure, in milliseconds. */
const RETRY_MS = 1_000;

/**
 * Writes progress, when there is time for it: nobody waits for that. What a request has when it ends is written with its
 * end; what a crash loses was seen by those who watched.
 */
export class ProgressWriter {
  readonly #store: Store;
  #dirty = new Set<LiveRequest>();
  #writing = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** A request has progress that is not on disk. */
  note(live: LiveRequest): void {
    this.#dirty.add(live);
    if (!this.#writing && this.#retry === undefined) void this.#write();
  }

  /** Begins nothing more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  async #write(): Promise<void> {
    this.#writing = true;
    try {
      while (this.#dirty.size > 0 && !this.#closed) {
        // deno-lint-ignore no-await-in-loop -- one batch after the other, each with all that has come meanwhile
        await this.#writeBatch();
      }
    } catch (cause) {
      log.debug("Progress could not be written; it is tried again.", { cause });
      if (!this.#closed) this.#retry = setTimeout(() => this.#tryAgain(), RETRY_MS);
    } finally {
      this.#writing = false;
    }
  }

  async #writeBatch(): Promise<void> {
    let batch: [LiveRequest, readonly RequestProgressRecord[]][] = [];
    let noted = new Set<LiveRequest>();
    try {
      await this.#store.transaction(async (tx) => {
        // Only now: all that came while this waited for its commit goes with it.
        noted = this.#dirty;
        this.#dirty = new Set();
        // What has ended is written with its end.
        batch = [...noted].filter((live) => !live.ended).map((live) => [live, live.unwritten.reports]);
        await Promise.all(batch.map(([live, reports]) => tx.progress.append(live.record.requestId, reports)));
      }, { patienceMs: PATIENCE_MS });
    } catch (failure) {
      for (const live of noted) if (!live.ended) this.#dirty.add(live);
      throw failure;
    }
    for (const [live, reports] of batch) live.unwritten.drop(reports);
  }

  #tryAgain(): void {
    this.#retry = undefined;
    if (!this.#writing) void this.#write();
  }
}
