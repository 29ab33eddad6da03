import type { DeviceId } from "../identity/device_id.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { endOf } from "./attempt_outcome.ts";
import type { AttemptName, AttemptProgress, AttemptResult } from "./capability_dispatch_record.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { IgnoredReports } from "./ignored_reports.ts";
import type { LateResults } from "./late_results.ts";
import type { LiveRequest } from "./live_request.ts";
import type { NodeLink } from "./node_link.ts";
import type { ProgressWriter } from "./progress_writer.ts";
import type { RequestBook } from "./request_book.ts";
import type { RequestEnder } from "./request_ender.ts";

/** By this code a node says that it did not start a request and that it may come again: it is full, or stops. */
const NOT_STARTED: ReasonCode = "queue_full";

/** What {@linkcode NodeReports} needs. */
export interface NodeReportsOptions {
  readonly book: RequestBook;
  readonly dispatcher: Dispatcher;
  readonly ender: RequestEnder;
  readonly lateResults: LateResults;
  readonly progressWriter: ProgressWriter;
  readonly ignored: IgnoredReports;
  readonly clock: Clock;
}

/**
 * What nodes report of their work. Only the session's own device may say anything of a request, and only of its newest
 * attempt; all else is counted and changes nothing (design section 5).
 */
export class NodeReports {
  readonly #options: NodeReportsOptions;

  constructor(options: NodeReportsOptions) {
    this.#options = options;
  }

  /** The node has started an attempt. */
  accepted(deviceId: DeviceId, attempt: AttemptName): void {
    this.#become("running", deviceId, attempt);
  }

  /** The node's owner is being asked. */
  awaitingLocalMediation(deviceId: DeviceId, attempt: AttemptName): void {
    this.#become("awaiting_local_mediation", deviceId, attempt);
  }

  /** The node reports on a running attempt. */
  progress(deviceId: DeviceId, attempt: AttemptName, progress: AttemptProgress): void {
    const live = this.#open(deviceId, attempt);
    if (live === undefined) return;
    const { progressWriter, ignored, clock } = this.#options;
    if (live.progress({ ...progress, attempt: attempt.attempt, at: clock() })) progressWriter.note(live);
    else ignored.count("progress_out_of_order", deviceId, attempt);
  }

  /** An attempt has ended. The node may forget it once that is on disk. */
  result(deviceId: DeviceId, link: NodeLink, attempt: AttemptName, result: AttemptResult): void {
    const { book, ender, ignored } = this.#options;
    const device = book.findQueue(deviceId);
    const live = device?.find(attempt.requestId);
    if (device === undefined || live === undefined) return void this.#settleLate(deviceId, link, attempt, result);
    if (!live.sent || live.record.attempt !== attempt.attempt) {
      ignored.count("other_attempt", deviceId, attempt);
      return link.acknowledge(attempt);
    }
    if (result.errorCode === NOT_STARTED && !result.success) return this.#takeBack(device, live);
    const { state, changes } = endOf(live.record, result, (outputJson) => live.schemas?.outputError(outputJson));
    void ender.end(live, state, changes).then((written) => {
      if (written) book.findQueue(deviceId)?.link?.acknowledge(attempt);
    });
  }

  /** The node has not started it. One that is about to go takes with it what is to end with its session. */
  #takeBack(device: DeviceQueue, live: LiveRequest): void {
    const { dispatcher, ender } = this.#options;
    live.sent = false;
    if (device.draining && ender.endIfDisconnected(live)) return;
    dispatcher.putBackForLater(device, live);
  }

  #become(state: "running" | "awaiting_local_mediation", deviceId: DeviceId, attempt: AttemptName): void {
    const live = this.#open(deviceId, attempt);
    if (live === undefined) return;
    // A node says it once more when it has come back.
    if (live.record.state === state) return;
    const { book, dispatcher, ignored, clock } = this.#options;
    if (!live.become(state, { updatedAt: clock() })) return ignored.count("out_of_place", deviceId, attempt);
    const device = book.queueOf(deviceId);
    device.putInFlight(live);
    dispatcher.pump(device);
  }

  /** The request of which the node may speak; counts why it may not. */
  #open(deviceId: DeviceId, attempt: AttemptName): LiveRequest | undefined {
    const { book, ignored } = this.#options;
    const live = book.findQueue(deviceId)?.find(attempt.requestId);
    if (live?.sent && live.record.attempt === attempt.attempt) return live;
    const named = book.get(attempt.requestId);
    const reason = named === undefined || named.ended
      ? "not_open"
      : named.record.deviceId === deviceId
      ? "other_attempt"
      : "foreign_request";
    ignored.count(reason, deviceId, attempt);
    return undefined;
  }

  async #settleLate(deviceId: DeviceId, link: NodeLink, attempt: AttemptName, result: AttemptResult): Promise<void> {
    const { book, lateResults, ignored } = this.#options;
    const named = book.get(attempt.requestId);
    if (named !== undefined && !named.ended) {
      // Somebody else's, or one of which no attempt is out.
      const reason = named.record.deviceId === deviceId ? "other_attempt" : "foreign_request";
      ignored.count(reason, deviceId, attempt);
      return link.acknowledge(attempt);
    }
    const { reason, forget } = await lateResults.settle(deviceId, attempt, result);
    if (reason !== undefined) ignored.count(reason, deviceId, attempt);
    if (forget) link.acknowledge(attempt);
  }
}
