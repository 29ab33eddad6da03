import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { DispatchPermit, DispatchPolicy } from "./dispatch_policy.ts";
import type { ElapsedTime } from "./elapsed_time.ts";
import type { LiveRequest } from "./live_request.ts";
import type { NodeLink } from "./node_link.ts";
import { forgetsHarmlessly } from "./on_disconnect.ts";
import type { RequestCounters } from "./request_counters.ts";
import type { RequestEnder } from "./request_ender.ts";
import type { RequestWriter } from "./request_writer.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** What {@linkcode Dispatcher} needs. */
export interface DispatcherOptions {
  readonly policy: DispatchPolicy;
  readonly writer: RequestWriter;
  readonly ender: RequestEnder;
  readonly counters: RequestCounters;
  readonly clock: Clock;
  readonly elapsed: ElapsedTime;
}

/**
 * Hands requests to the nodes, as soon as there is room for them and in the order of their turns.
 *
 * Nothing on the path waits for a commit it does not need: what may be forgotten goes out at once, since running it again
 * after a crash does no harm; anything else goes out only after its attempt is on disk.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  #closed = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Dispatches nothing more. */
  close(): void {
    this.#closed = true;
  }

  /** Dispatches what may go to the device now. */
  pump(device: DeviceQueue): void {
    if (device.pumping) return;
    device.pumping = true;
    try {
      // While results wait for room on the disk, nothing is begun that would make more of them.
      while (!this.#closed && !this.#options.writer.holdsEnds) {
        const next = device.takeNext();
        if (next === undefined) return;
        this.#dispatch(device, next.live, next.link);
      }
    } finally {
      device.pumping = false;
    }
  }

  /** Begins an attempt that nobody has been sent yet. */
  begin(device: DeviceQueue, live: LiveRequest, link: NodeLink, permit: DispatchPermit): void {
    const now = this.#options.clock();
    live.become("dispatched", {
      attempt: live.nextAttempt,
      epoch: link.epoch,
      instanceId: link.instanceId,
      // What the node declares now decides what it journals, not what it declared when the request was accepted.
      journalId: permit.idempotent ? "" : link.journalId,
      dispatchedAt: now,
      updatedAt: now,
    });
    live.sent = false;
    live.schemas = permit.schemas;
    device.putInFlight(live);
  }

  /** Sends the attempt that was begun. */
  send(live: LiveRequest, link: NodeLink): void {
    const { requestId, attempt, epoch, capability, inputJson, maxPayloadBytes, requestedBy } = live.record;
    live.sent = true;
    const timeLeftMs = Math.max(1, Math.ceil(live.timeLeft(this.#options.elapsed)));
    this.#options.counters.countDispatch();
    link.dispatch({ requestId, attempt, epoch, capability, inputJson, maxPayloadBytes, timeLeftMs, requestedBy });
  }

  /**
   * Sends the attempt that is on disk by now, unless the request ended or another attempt was begun while it was being
   * written. When its session is gone, the request waits again.
   */
  sendStored(device: DeviceQueue, live: LiveRequest, link: NodeLink, attempt: number): void {
    const { ender } = this.#options;
    const { record, sent } = live;
    if (record.state !== "dispatched" || record.attempt !== attempt || sent || this.#closed) return;
    if (ender.endIfOver(live)) return;
    // What was allowed when it was begun may have been withdrawn while it was being written.
    const verdict = this.#options.policy.check(record.deviceId, record.capability);
    if (verdict instanceof PalyraError) {
      void ender.end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
      return;
    }
    if (device.link === link && !device.draining) return this.send(live, link);
    this.putBack(device, live);
    this.pump(device);
  }

  /** Puts a request that was dispatched back into the queue, before the others. */
  putBack(device: DeviceQueue, live: LiveRequest): void {
    const { ender, writer, elapsed, clock } = this.#options;
    device.remove(live);
    if (!live.become("queued", { updatedAt: clock() })) return;
    if (!forgetsHarmlessly(live.record)) writer.updateLazily(live.record);
    live.startTimer(elapsed, () => ender.endIfOver(live));
    device.waiting.joinFront(live);
  }

  /** The same, and dispatches again after a moment: the node or the disk had no room. */
  putBackForLater(device: DeviceQueue, live: LiveRequest): void {
    this.putBack(device, live);
    this.#options.writer.later(() => this.pump(device));
  }

  #dispatch(device: DeviceQueue, live: LiveRequest, link: NodeLink): void {
    const { ender, policy } = this.#options;
    if (ender.endIfOver(live)) return;
    const verdict = policy.check(live.record.deviceId, live.record.capability);
    if (verdict instanceof PalyraError) {
      void ender.end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
      return;
    }
    this.begin(device, live, link, verdict);
    if (forgetsHarmlessly(live.record)) this.send(live, link);
    else void this.#writeAndSend(device, live, link);
  }

  async #writeAndSend(device: DeviceQueue, live: LiveRequest, link: NodeLink): Promise<void> {
    const { attempt } = live.record;
    try {
      await this.#options.writer.update(live.record);
    } catch (cause) {
      log.debug("A dispatch could not be written, so it was not sent; it is tried again.", { cause });
      if (live.record.attempt === attempt && live.record.state === "dispatched") this.putBackForLater(device, live);
      return;
    }
    this.sendStored(device, live, link, attempt);
  }
}
