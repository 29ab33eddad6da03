import { getLogger } from "@logtape/logtape";
import { type CanonicalUlid, type DeviceId, newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { type Clock, unixMs } from "../identity/unix_ms.ts";
import { endOf } from "./attempt_outcome.ts";
import type { AttemptName, AttemptProgress, AttemptResult } from "./capability_dispatch_record.ts";
import type { CapabilityOrder } from "./capability_order.ts";
import { DeviceQueue } from "./device_queue.ts";
import { LiveRequest, type RequestWatcher } from "./live_request.ts";
import type { NodeLink, NodeWork } from "./node_link.ts";
import { planReconciliation } from "./reconciliation.ts";
import { RequestCounters } from "./request_counters.ts";
import { waitFor } from "./wait_for.ts";
import { RequestWriter } from "./request_writer.ts";
import { isInFlight, type RequestState } from "./request_state.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "queue"]);

/** Unfinished requests of one device beyond which no more are taken (design section 5). */
export const DEFAULT_QUEUE_BOUND = 1_000;

/** By this code a node says that it did not take a request and that it may come again. */
const NODE_IS_FULL: ReasonCode = "queue_full";

/**
 * What may run: declared by the node and granted by the operator. Asked when a request is accepted and again when it
 * is dispatched (design section 3).
 */
export interface DispatchPolicy {
  /** Why `capability` must not run on the device now, or whether repeating it does no harm. */
  check(deviceId: DeviceId, capability: string): PalyraError | { readonly idempotent: boolean };
}

/** An accepted request, and whether it is an earlier one with the same idempotency key. */
export interface Acceptance {
  readonly record: CapabilityRequestRecord;
  readonly replayed: boolean;
}

/** What {@linkcode CapabilityQueue.open} needs. */
export interface CapabilityQueueOptions {
  readonly store: Store;
  readonly policy: DispatchPolicy;
  readonly clock: Clock;
  /** @default {DEFAULT_QUEUE_BOUND} */
  readonly queueBound?: number;
}

/**
 * The durable queue of capability requests, one line per device, and their dispatch to the nodes that are connected.
 *
 * A request is on disk before its caller is told that it was accepted. Nothing on the path waits for a commit it does
 * not need: an idempotent request goes to an idle node while it is being written, since running it again after a crash
 * does no harm; any other goes out only after its attempt is on disk.
 */
export class CapabilityQueue {
  readonly #store: Store;
  readonly #policy: DispatchPolicy;
  readonly #clock: Clock;
  readonly #queueBound: number;
  readonly #live = new Map<string, LiveRequest>();
  readonly #devices = new Map<DeviceId, DeviceQueue>();
  readonly #writer: RequestWriter;
  /** What became of the requests, for the metrics. */
  readonly counters = new RequestCounters();
  #closed = false;

  private constructor(options: CapabilityQueueOptions) {
    this.#store = options.store;
    this.#writer = new RequestWriter(options.store);
    this.#policy = options.policy;
    this.#clock = options.clock;
    this.#queueBound = options.queueBound ?? DEFAULT_QUEUE_BOUND;
  }

  /** Loads what was unfinished when the daemon stopped; what is past its deadline ends at once. */
  static async open(options: CapabilityQueueOptions): Promise<CapabilityQueue> {
    const queue = new CapabilityQueue(options);
    for (const record of await options.store.transaction((tx) => tx.requests.listUnfinished())) queue.#restore(record);
    return queue;
  }

  /** Requests that wait, and requests that are with a node. */
  get counts(): { readonly queued: number; readonly inFlight: number } {
    let [queued, inFlight] = [0, 0];
    for (const device of this.#devices.values()) {
      queued += device.waiting.length;
      inFlight += device.inFlight.size;
    }
    return { queued, inFlight };
  }

  /** The same for one device. */
  countsOf(deviceId: DeviceId): { readonly queued: number; readonly inFlight: number } {
    const device = this.#devices.get(deviceId);
    return { queued: device?.waiting.length ?? 0, inFlight: device?.inFlight.size ?? 0 };
  }

  /**
   * Accepts a request; resolves when it is on disk. Throws what the policy says, or `queue_full`; then nothing was
   * stored and nothing ran.
   */
  async submit(order: CapabilityOrder): Promise<Acceptance> {
    const { live, replayed } = await this.#accept(order);
    return { record: live instanceof LiveRequest ? live.record : live, replayed };
  }

  /**
   * Accepts a request and resolves with its record when it has ended, whatever the end. Aborting `signal` stops the
   * waiting, not the request.
   */
  async execute(order: CapabilityOrder, signal: AbortSignal): Promise<Acceptance> {
    const { live, replayed } = await this.#accept(order);
    if (!(live instanceof LiveRequest)) return { record: live, replayed };
    await waitFor(live.outcome, signal);
    return { record: live.record, replayed };
  }

  /** The request as it stands; undefined when there is none. */
  async get(requestId: CanonicalUlid): Promise<CapabilityRequestRecord | undefined> {
    return this.#live.get(requestId)?.record ??
      await this.#store.transaction((tx) => tx.requests.get(requestId));
  }

  /** What memory knows better than the store: the state of a request that has not ended. */
  current(record: CapabilityRequestRecord): CapabilityRequestRecord {
    return this.#live.get(record.requestId)?.record ?? record;
  }

  /** Watches a request that has not ended; undefined when it has, or never was. */
  watch(requestId: CanonicalUlid, watcher: RequestWatcher): (() => void) | undefined {
    return this.#live.get(requestId)?.watch(watcher);
  }

  /** Ends a request: one that waits never runs; a running one is told to stop. False when it has ended already. */
  async cancel(requestId: CanonicalUlid, reason: string): Promise<boolean> {
    const live = this.#live.get(requestId);
    if (live === undefined) return false;
    await this.#stop(live, "cancelled", "cancelled", reason);
    return true;
  }

  /** Ends everything that waits for or runs on a device, which is gone for good. */
  rejectAll(deviceId: DeviceId, code: ReasonCode, message: string): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined) return;
    for (const live of [...device.waiting, ...device.inFlight.values()]) {
      const state = isInFlight(live.record.state) && !live.record.idempotent ? "lost" : "rejected";
      void this.#end(live, state, { errorCode: code, error: message });
    }
  }

  /**
   * A node is welcome: what it knows of its work decides what is dispatched again. `welcome` is called with what it
   * should stop, before anything is dispatched.
   */
  attach(deviceId: DeviceId, link: NodeLink, work: NodeWork, welcome: (abandon: readonly AttemptName[]) => void): void {
    const device = this.#deviceQueue(deviceId);
    const plan = planReconciliation(device, link.instanceId, work);
    welcome(plan.abandon);
    device.link = link;
    device.draining = false;
    for (const { live, attempt } of plan.adopt) this.#adopt(device, live, attempt, link);
    for (const live of plan.requeue) device.inFlight.delete(live.record.requestId);
    for (const live of plan.requeue.toReversed()) this.#requeue(device, live);
    for (const live of plan.lose) {
      void this.#end(live, "lost", {
        errorCode: "outcome_unknown",
        error: "The node lost this attempt: nobody can tell whether it ran. Check its effect before repeating it.",
      });
    }
    this.#pump(device);
  }

  /** The session with this link has ended. Its requests wait for the node to come back. */
  detach(deviceId: DeviceId, link: NodeLink): void {
    const device = this.#devices.get(deviceId);
    if (device === undefined || device.link !== link) return;
    device.link = undefined;
    if (device.size === 0) this.#devices.delete(deviceId);
  }

  /** The node takes nothing new. */
  drain(deviceId: DeviceId, link: NodeLink): void {
    const device = this.#devices.get(deviceId);
    if (device?.link === link) device.draining = true;
  }

  /** The node has started an attempt. */
  accepted(deviceId: DeviceId, attempt: AttemptName): void {
    const live = this.#inFlightOf(deviceId, attempt);
    if (live?.become("running", { updatedAt: this.#clock() })) this.#pump(this.#deviceQueue(deviceId));
  }

  /** The node's owner is being asked. */
  awaitingLocalMediation(deviceId: DeviceId, attempt: AttemptName): void {
    const live = this.#inFlightOf(deviceId, attempt);
    if (live?.become("awaiting_local_mediation", { updatedAt: this.#clock() })) this.#pump(this.#deviceQueue(deviceId));
  }

  /** The node reports on a running attempt. */
  progress(deviceId: DeviceId, attempt: AttemptName, progress: AttemptProgress): void {
    this.#inFlightOf(deviceId, attempt)?.progress(progress);
  }

  /** An attempt has ended. What is not the current attempt of the node's own device changes nothing. */
  result(deviceId: DeviceId, link: NodeLink, attempt: AttemptName, result: AttemptResult): void {
    const live = this.#inFlightOf(deviceId, attempt);
    if (live === undefined) {
      // One that has just ended is acknowledged by its first result, once that is on disk.
      if (this.#live.get(attempt.requestId)?.record.deviceId === deviceId) return;
      log.debug("A result came for an attempt that is not open any more.", { deviceId, ...attempt });
      link.acknowledge(attempt);
      return;
    }
    if (result.errorCode === NODE_IS_FULL && !result.success) return this.#sendBack(deviceId, live);
    const { state, changes } = endOf(live.record, result);
    void this.#end(live, state, changes).then((written) => {
      if (written) this.#devices.get(deviceId)?.link?.acknowledge(attempt);
    });
  }

  /** Stops every timer. Unfinished requests stay in the store and are loaded by the next start. */
  close(): void {
    this.#closed = true;
    for (const live of this.#live.values()) live.stopDeadline();
    this.#writer.close();
  }

  #deviceQueue(deviceId: DeviceId): DeviceQueue {
    let device = this.#devices.get(deviceId);
    if (device === undefined) this.#devices.set(deviceId, device = new DeviceQueue());
    return device;
  }

  #inFlightOf(deviceId: DeviceId, attempt: AttemptName): LiveRequest | undefined {
    const live = this.#devices.get(deviceId)?.inFlight.get(attempt.requestId);
    return live?.record.attempt === attempt.attempt ? live : undefined;
  }

  /** Resolves with the live request once it is on disk, or with the earlier request of the same idempotency key. */
  async #accept(
    order: CapabilityOrder,
  ): Promise<{ live: LiveRequest | CapabilityRequestRecord; replayed: boolean }> {
    const device = this.#deviceQueue(order.deviceId);
    const live = this.#newRequest(order, device);
    const link = device.waiting.length === 0 ? device.linkFor(live) : undefined;
    const sentEarly = link !== undefined && live.record.idempotent && order.idempotencyKey === undefined;
    if (link === undefined) device.arriving++;
    else this.#markDispatched(device, live, link);
    if (sentEarly) this.#send(live, link);

    let earlier: CapabilityRequestRecord | undefined;
    try {
      earlier = await this.#writer.insert(live.record);
    } catch (cause) {
      this.#forget(device, live);
      throw cause;
    } finally {
      if (link === undefined) device.arriving--;
    }
    if (earlier !== undefined) {
      this.#forget(device, live);
      return { live: this.#live.get(earlier.requestId) ?? earlier, replayed: true };
    }
    // What was allowed when it came may have been withdrawn while it was being written.
    const verdict = sentEarly ? undefined : this.#policy.check(order.deviceId, order.capability);
    if (verdict instanceof PalyraError) {
      await this.#end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
    } else if (link === undefined) {
      if (live.record.state === "queued") device.waiting.push(live);
      this.#pump(device);
    } else if (!sentEarly) {
      this.#sendStored(device, live, link);
    }
    return { live, replayed: false };
  }

  #newRequest(order: CapabilityOrder, device: DeviceQueue): LiveRequest {
    if (this.#closed) {
      throw new PalyraError("shutting_down", "The daemon is stopping; ask again when it is back.");
    }
    const verdict = this.#policy.check(order.deviceId, order.capability);
    if (verdict instanceof PalyraError) throw verdict;
    if (device.size >= this.#queueBound) {
      throw new PalyraError(
        "queue_full",
        `The node has ${device.size} unfinished requests, the most it may have. Wait for some to end or cancel them.`,
      );
    }
    const now = this.#clock();
    const { timeoutMs, ...ordered } = order;
    const live = new LiveRequest({
      ...ordered,
      requestId: newUlid(),
      state: "queued",
      attempt: 0,
      epoch: 0,
      idempotent: verdict.idempotent,
      deadline: unixMs(now + timeoutMs),
      createdAt: now,
      updatedAt: now,
    });
    this.#live.set(live.record.requestId, live);
    live.startDeadline(timeoutMs, () => this.#onDeadline(live));
    return live;
  }

  /** Undoes what was not accepted. */
  #forget(device: DeviceQueue, live: LiveRequest): void {
    live.stopDeadline();
    this.#tellToStop(live, "The request could not be stored.");
    device.remove(live);
    this.#live.delete(live.record.requestId);
    this.#pump(device);
  }

  #restore(record: CapabilityRequestRecord): void {
    const live = new LiveRequest(record);
    this.#live.set(record.requestId, live);
    const device = this.#deviceQueue(record.deviceId);
    if (isInFlight(record.state)) {
      live.sent = true;
      device.inFlight.set(record.requestId, live);
    } else {
      device.waiting.push(live);
    }
    live.startDeadline(Math.max(0, record.deadline - this.#clock()), () => this.#onDeadline(live));
  }

  #pump(device: DeviceQueue): void {
    while (!this.#closed) {
      const [live] = device.waiting;
      const link = live && device.linkFor(live);
      if (link === undefined || live === undefined) return;
      device.waiting.shift();
      if (this.#isOver(live)) continue;
      const verdict = this.#policy.check(live.record.deviceId, live.record.capability);
      if (verdict instanceof PalyraError) {
        void this.#end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
        continue;
      }
      this.#markDispatched(device, live, link);
      if (live.record.idempotent) this.#send(live, link);
      else void this.#writeAndSend(device, live, link);
    }
  }

  #markDispatched(device: DeviceQueue, live: LiveRequest, link: NodeLink): void {
    const now = this.#clock();
    live.become("dispatched", {
      attempt: live.record.attempt + 1,
      epoch: link.epoch,
      instanceId: link.instanceId,
      dispatchedAt: now,
      updatedAt: now,
    });
    live.sent = false;
    live.progressSequence = 0;
    device.inFlight.set(live.record.requestId, live);
  }

  async #writeAndSend(device: DeviceQueue, live: LiveRequest, link: NodeLink): Promise<void> {
    const { attempt } = live.record;
    try {
      await this.#writer.update(live.record);
    } catch (cause) {
      log.error("A dispatch could not be written, so it was not sent; it is tried again.", { cause });
      if (live.record.attempt !== attempt || live.record.state !== "dispatched") return;
      device.inFlight.delete(live.record.requestId);
      this.#requeue(device, live);
      this.#writer.later(() => this.#pump(device));
      return;
    }
    this.#sendStored(device, live, link);
  }

  /** Sends an attempt that is on disk, unless it ended or its session was replaced while it was being written. */
  #sendStored(device: DeviceQueue, live: LiveRequest, link: NodeLink): void {
    if (live.record.state !== "dispatched" || live.sent || this.#isOver(live)) return;
    if (device.link === link && !device.draining) {
      this.#send(live, link);
    } else if (device.link !== undefined) {
      device.inFlight.delete(live.record.requestId);
      this.#requeue(device, live);
      this.#pump(device);
    }
  }

  #send(live: LiveRequest, link: NodeLink): void {
    const { requestId, attempt, epoch, capability, inputJson, maxPayloadBytes, deadline, requestedBy } = live.record;
    live.sent = true;
    const timeLeftMs = Math.max(1, deadline - this.#clock());
    this.counters.countDispatch();
    link.dispatch({ requestId, attempt, epoch, capability, inputJson, maxPayloadBytes, timeLeftMs, requestedBy });
  }

  #adopt(device: DeviceQueue, live: LiveRequest, attempt: number, link: NodeLink): void {
    device.remove(live);
    const now = this.#clock();
    if (live.record.state === "queued") live.become("dispatched", { dispatchedAt: now, updatedAt: now });
    live.moveTo(link, attempt);
    live.sent = true;
    device.inFlight.set(live.record.requestId, live);
  }

  #requeue(device: DeviceQueue, live: LiveRequest): void {
    if (live.become("queued", { updatedAt: this.#clock() })) device.waiting.unshift(live);
  }

  /** The node did not take it: it waits a moment and is dispatched again. */
  #sendBack(deviceId: DeviceId, live: LiveRequest): void {
    const device = this.#deviceQueue(deviceId);
    device.inFlight.delete(live.record.requestId);
    this.#requeue(device, live);
    this.#writer.later(() => this.#pump(device));
  }

  /** Ends what is past its deadline though its timer has not fired: timers stand still while a machine sleeps. */
  #isOver(live: LiveRequest): boolean {
    if (live.record.deadline > this.#clock()) return false;
    this.#onDeadline(live);
    return true;
  }

  #onDeadline(live: LiveRequest): void {
    void this.#stop(live, "timed_out", "deadline_exceeded", `${whatWasMissed(live)} before the request's deadline.`);
  }

  async #stop(live: LiveRequest, state: "timed_out" | "cancelled", code: ReasonCode, message: string): Promise<void> {
    this.#tellToStop(live, message);
    await this.#end(live, state, { errorCode: code, error: message });
  }

  #tellToStop(live: LiveRequest, reason: string): void {
    const { requestId, attempt, deviceId, state } = live.record;
    if (live.sent && isInFlight(state)) this.#devices.get(deviceId)?.link?.cancel({ requestId, attempt }, reason);
  }

  /** Ends a request once; resolves with whether its end is on disk. */
  async #end(live: LiveRequest, state: RequestState, changes: Partial<CapabilityRequestRecord>): Promise<boolean> {
    const now = this.#clock();
    if (!live.become(state, { ...changes, completedAt: now, updatedAt: now })) return false;
    this.counters.countEnd(state);
    const device = this.#deviceQueue(live.record.deviceId);
    device.remove(live);
    this.#pump(device);
    // Losing this end in a crash would only run the request again, which does no harm: its caller need not wait.
    if (live.record.idempotent) live.settle();
    const written = await this.#writer.writeEnd(live.record);
    live.settle();
    this.#live.delete(live.record.requestId);
    return written;
  }
}

function whatWasMissed({ sent, record }: LiveRequest): string {
  if (record.state === "awaiting_local_mediation") return "The node's owner did not answer";
  return sent ? "The node did not finish" : "The node did not come";
}
