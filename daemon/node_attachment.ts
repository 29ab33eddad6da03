import type { DeviceId } from "../identity/device_id.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { AttemptName } from "./capability_dispatch_record.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { LiveRequest } from "./live_request.ts";
import type { NodeLink, NodeWork } from "./node_link.ts";
import { repeatsLostAttempt } from "./on_disconnect.ts";
import { planReconciliation } from "./reconciliation.ts";
import type { RequestBook } from "./request_book.ts";
import type { RequestEnder } from "./request_ender.ts";

/** What {@linkcode NodeAttachment} needs. */
export interface NodeAttachmentOptions {
  readonly book: RequestBook;
  readonly dispatcher: Dispatcher;
  readonly ender: RequestEnder;
  readonly clock: Clock;
}

/** What becomes of a node's requests when it comes and when it goes (design section 5). */
export class NodeAttachment {
  readonly #options: NodeAttachmentOptions;

  constructor(options: NodeAttachmentOptions) {
    this.#options = options;
  }

  /**
   * A node is welcome: what it knows of its work decides what goes on, what is dispatched again and what is lost.
   * `welcome` is called with what it should stop, before anything is dispatched.
   */
  attach(deviceId: DeviceId, link: NodeLink, work: NodeWork, welcome: (abandon: readonly AttemptName[]) => void): void {
    const { book, dispatcher, ender } = this.#options;
    const earlier = book.findQueue(deviceId)?.link;
    if (earlier !== undefined) this.detach(deviceId, earlier);
    const device = book.queueOf(deviceId);
    const plan = planReconciliation(device, link, work);
    welcome(plan.abandon);
    device.link = link;
    device.draining = false;
    for (const { requestId, attempt } of work.interrupted) book.get(requestId)?.noteAttempt(attempt);
    for (const { live, attempt } of plan.adopt) this.#adopt(device, live, attempt, link);
    for (const live of plan.requeue.toReversed()) dispatcher.putBack(device, live);
    for (const live of plan.lose) {
      this.#asDispatched(live);
      void ender.lose(live);
    }
    for (const attempt of work.interrupted) void this.#settleInterrupted(link, attempt);
    dispatcher.pump(device);
  }

  /** The session with this link has ended. */
  detach(deviceId: DeviceId, link: NodeLink): void {
    const { book, ender } = this.#options;
    const device = book.findQueue(deviceId);
    if (device === undefined || device.link !== link) return;
    device.link = undefined;
    for (const live of device.inFlight) ender.endIfDisconnected(live);
    book.forgetIfIdle(deviceId);
  }

  #adopt(device: DeviceQueue, live: LiveRequest, attempt: number, link: NodeLink): void {
    device.remove(live);
    this.#asDispatched(live);
    live.moveTo(link, attempt);
    live.sent = true;
    device.putInFlight(live);
  }

  /** The node has an attempt of a request that waits here: this daemon has forgotten that it dispatched it. */
  #asDispatched(live: LiveRequest): void {
    const { book, clock } = this.#options;
    if (live.record.state !== "queued") return;
    book.queueOf(live.record.deviceId).remove(live);
    const now = clock();
    live.become("dispatched", { dispatchedAt: now, updatedAt: now });
  }

  /** The node may forget what was cut off, once an end that follows from it is on disk. */
  async #settleInterrupted(link: NodeLink, attempt: AttemptName): Promise<void> {
    const live = this.#options.book.get(attempt.requestId);
    if (live?.ended && !repeatsLostAttempt(live.record)) {
      const settled = await live.outcome.then(() => true, () => false);
      if (!settled) return;
    }
    link.acknowledge(attempt);
  }
}
