import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { endedByResultOf } from "./attempt_outcome.ts";
import type { AttemptName, AttemptResult } from "./capability_dispatch_record.ts";
import type { IgnoredReason } from "./ignored_reports.ts";
import type { RequestBook } from "./request_book.ts";
import { hasEnded } from "./request_state.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** Late results that are being looked up at a time; a node sends again, in its next session, what is not acknowledged. */
const MAX_UNDER_WAY = 1_024;

/** How long one may wait for another commit, in milliseconds. */
const PATIENCE_MS = 20;

/** What {@linkcode LateResults} needs. */
export interface LateResultsOptions {
  readonly store: Store;
  readonly book: RequestBook;
  readonly clock: Clock;
}

/** Results that come when nobody waits for them: kept with their request, where they change nothing. */
export class LateResults {
  readonly #options: LateResultsOptions;
  #underWay = 0;

  constructor(options: LateResultsOptions) {
    this.#options = options;
  }

  /**
   * Looks what a result belongs to, keeps it if it is late, and resolves when the node may forget it, with why it was
   * ignored; with undefined when it is the result that ended the request, once more. Never rejects: with
   * `too_many_late_results`, and when the store fails, the node must not forget it.
   */
  async settle(
    deviceId: DeviceId,
    attempt: AttemptName,
    result: AttemptResult,
  ): Promise<{ readonly reason: IgnoredReason | undefined; readonly forget: boolean }> {
    if (this.#underWay >= MAX_UNDER_WAY) return { reason: "too_many_late_results", forget: false };
    this.#underWay++;
    try {
      // One that has just ended is not on disk yet.
      await this.#options.book.get(attempt.requestId)?.outcome;
      return { reason: await this.#keep(deviceId, attempt, result), forget: true };
    } catch (cause) {
      log.debug("A late result could not be kept; the node sends it again.", { deviceId, ...attempt, cause });
      return { reason: "late_result", forget: false };
    } finally {
      this.#underWay--;
    }
  }

  #keep(deviceId: DeviceId, name: AttemptName, result: AttemptResult): Promise<IgnoredReason | undefined> {
    const { store, clock } = this.#options;
    const { requestId, attempt } = name;
    return store.transaction(async (tx): Promise<IgnoredReason | undefined> => {
      const record = await tx.requests.get(requestId);
      if (record === undefined || !hasEnded(record.state)) return "not_open";
      if (record.deviceId !== deviceId) return "foreign_request";
      if (endedByResultOf(record, attempt)) return undefined;
      const { success, errorCode } = result;
      await tx.requests.setLateResult(requestId, { attempt, at: clock(), success, errorCode });
      return "late_result";
    }, { patienceMs: PATIENCE_MS });
  }
}
