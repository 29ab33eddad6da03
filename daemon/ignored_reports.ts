import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import type { AttemptName } from "./capability_dispatch_record.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** How often one kind of report that is ignored is logged, in milliseconds. */
const LOG_EVERY_MS = 60_000;

/** Why a node's report of its work changes nothing. */
export type IgnoredReason =
  /** No such request, or it has ended. */
  | "not_open"
  /** It is another device's. */
  | "foreign_request"
  /** A newer attempt has taken its place, or it was never sent. */
  | "other_attempt"
  /** Its number is not greater than the last. */
  | "progress_out_of_order"
  /** The state does not allow it. */
  | "out_of_place"
  /** The session was replaced, or is being closed. */
  | "ended_session"
  /** The result of a request that has ended; kept with it. */
  | "late_result"
  /** More late results than can be looked up. */
  | "too_many_late_results";

const REASONS: readonly IgnoredReason[] = [
  "not_open",
  "foreign_request",
  "other_attempt",
  "progress_out_of_order",
  "out_of_place",
  "ended_session",
  "late_result",
  "too_many_late_results",
];

/** Counts what nodes report and nobody wants, and logs each kind of it once in a while. */
export class IgnoredReports {
  readonly #now: () => number;
  readonly #counts = new Map<IgnoredReason, number>(REASONS.map((reason) => [reason, 0]));
  readonly #loggedAt = new Map<IgnoredReason, number>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Numbers since the start that only grow; every reason has an entry. */
  get counts(): ReadonlyMap<IgnoredReason, number> {
    return this.#counts;
  }

  /** A report of `deviceId` was ignored. */
  count(reason: IgnoredReason, deviceId: DeviceId, attempt?: AttemptName): void {
    const count = (this.#counts.get(reason) ?? 0) + 1;
    this.#counts.set(reason, count);
    const now = this.#now();
    if (now - (this.#loggedAt.get(reason) ?? -Infinity) < LOG_EVERY_MS) return;
    this.#loggedAt.set(reason, now);
    log.info("A node's report was ignored; further ones of the kind are only counted for a minute.", {
      reason,
      count,
      deviceId,
      ...(attempt !== undefined && { requestId: attempt.requestId, attempt: attempt.attempt }),
    });
  }
}
