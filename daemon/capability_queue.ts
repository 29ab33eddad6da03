import { type CanonicalUlid, type DeviceId, newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { type Clock, unixMs } from "../identity/unix_ms.ts";
import type { AttemptName, AttemptProgress, AttemptResult } from "./capability_dispatch_record.ts";
import type { CapabilityOrder } from "./capability_order.ts";
import type { DeviceQueue } from "./device_queue.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { DispatchPermit, DispatchPolicy } from "./dispatch_policy.ts";
import { type ElapsedTime, elapsedTime } from "./elapsed_time.ts";
import { IgnoredReports } from "./ignored_reports.ts";
import { LateResults } from "./late_results.ts";
import { LiveRequest, type RequestWatcher } from "./live_request.ts";
import { NodeAttachment } from "./node_attachment.ts";
import type { NodeLink, NodeWork } from "./node_link.ts";
import { NodeReports } from "./node_reports.ts";
import { forgetsHarmlessly } from "./on_disconnect.ts";
import { isNameOf } from "./operator_name.ts";
import { PeriodicCheck } from "./periodic_check.ts";
import { ProgressWriter } from "./progress_writer.ts";
import { RequestBook, type RequestBounds } from "./request_book.ts";
import { RequestCounters } from "./request_counters.ts";
import { RequestEnder } from "./request_ender.ts";
import { isInFlight } from "./request_state.ts";
import { RequestWriter } from "./request_writer.ts";
import type { CapabilityRequestRecord, RequestFilter } from "./store/capability_request_record.ts";
import type { ProgressCursor } from "./store/request_progress_record.ts";
import type { Store } from "./store/store.ts";
import { waitFor } from "./wait_for.ts";

/** The refusals that are an operator's own word, and final until there is another. */
const FORBIDDEN: ReadonlySet<ReasonCode> = new Set(["capability_denied", "capability_not_granted"]);

/** The refusals after which nothing comes from the node any more. */
const GONE: ReadonlySet<ReasonCode> = new Set(["device_revoked", "node_not_found"]);

/** An accepted request, and whether it is an earlier one with the same idempotency key. */
export interface Acceptance {
  readonly record: CapabilityRequestRecord;
  readonly replayed: boolean;
}

/** What {@linkcode CapabilityQueue.open} needs. */
export interface CapabilityQueueOptions {
  readonly store: Store;
  readonly policy: DispatchPolicy;
  /** Dates what is stored, and measures what passed while no daemon ran. */
  readonly clock: Clock;
  /** Measures deadlines while the daemon runs. Default: the machine's, which nobody can set. */
  readonly elapsed?: ElapsedTime;
  /** Unfinished requests of one device. Default: 1,000. */
  readonly queueBound?: number;
  /** Further bounds. */
  readonly bounds?: Omit<RequestBounds, "requests">;
}

/**
 * The durable queue of capability requests, one for each device, and their dispatch to the nodes that are connected
 * (design section 5). A request is on disk before its caller is told that it was accepted, and so is its end before
 * anybody is told of it, where forgetting it could do harm.
 */
export class CapabilityQueue {
  readonly #store: Store;
  readonly #policy: DispatchPolicy;
  readonly #clock: Clock;
  readonly #elapsed: ElapsedTime;
  readonly #book: RequestBook;
  readonly #writer: RequestWriter;
  readonly #ender: RequestEnder;
  readonly #dispatcher: Dispatcher;
  readonly #attachment: NodeAttachment;
  readonly #reports: NodeReports;
  readonly #progressWriter: ProgressWriter;
  readonly #sweep: PeriodicCheck;
  /** What became of the requests, for the metrics. */
  readonly counters = new RequestCounters();
  /** What nodes reported in vain. */
  readonly ignored = new IgnoredReports();
  #closed = false;

  private constructor(options: CapabilityQueueOptions) {
    const { store, policy, clock, elapsed = elapsedTime(), queueBound, bounds } = options;
    const { counters, ignored } = this;
    this.#store = store;
    this.#policy = policy;
    this.#clock = clock;
    this.#elapsed = elapsed;
    const book = this.#book = new RequestBook({ ...bounds, ...(queueBound !== undefined && { requests: queueBound }) });
    const writer = this.#writer = new RequestWriter(store, () => {
      for (const device of [...book.queues()]) this.#dispatcher.pump(device);
    });
    const onRoom = (device: DeviceQueue) => this.#dispatcher.pump(device);
    const ender = this.#ender = new RequestEnder({ book, writer, counters, clock, elapsed, onRoom });
    const dispatcher = this.#dispatcher = new Dispatcher({ policy, writer, ender, counters, clock, elapsed });
    this.#attachment = new NodeAttachment({ book, dispatcher, ender, clock });
    const progressWriter = this.#progressWriter = new ProgressWriter(store);
    const lateResults = new LateResults({ store, book, clock });
    this.#reports = new NodeReports({ book, dispatcher, ender, lateResults, progressWriter, ignored, clock });
    // Timers stand still while the machine sleeps.
    this.#sweep = new PeriodicCheck(async () => await Promise.resolve(this.endOverdue()));
  }

  /** Loads what was unfinished when the daemon stopped; what is past its deadline ends at once. */
  static async open(options: CapabilityQueueOptions): Promise<CapabilityQueue> {
    const restored = await options.store.transaction(async (tx) => {
      const unfinished = await tx.requests.listUnfinished();
      return await Promise.all(unfinished.map(async (record) => ({
        record,
        progress: await tx.progress.newest(record.requestId),
      })));
    });
    const queue = new CapabilityQueue(options);
    for (const { record, progress } of restored) queue.#restore(record, progress);
    queue.endOverdue();
    return queue;
  }

  /** Requests that wait, and requests that are with a node. */
  get counts(): { readonly queued: number; readonly inFlight: number } {
    let [queued, inFlight] = [0, 0];
    for (const device of this.#book.queues()) {
      queued += device.waiting.size;
      inFlight += device.inFlightCount;
    }
    return { queued, inFlight };
  }

  /** The same for one device. */
  countsOf(deviceId: DeviceId): { readonly queued: number; readonly inFlight: number } {
    const device = this.#book.findQueue(deviceId);
    return { queued: device?.waiting.size ?? 0, inFlight: device?.inFlightCount ?? 0 };
  }

  /**
   * Accepts a request; resolves when it is on disk. Throws what the policy says, `invalid_input` for an input that the
   * capability's schema does not allow, `queue_full`, or what the store says; then nothing was stored.
   */
  async submit(order: CapabilityOrder): Promise<Acceptance> {
    const { live, replayed } = await this.#accept(order);
    return { record: live instanceof LiveRequest ? live.shown : live, replayed };
  }

  /**
   * Accepts a request and resolves with its record when it has ended, whatever the end. Aborting `signal` stops the
   * waiting, not the request.
   */
  async execute(order: CapabilityOrder, signal: AbortSignal): Promise<Acceptance> {
    const { live, replayed } = await this.#accept(order);
    if (!(live instanceof LiveRequest)) return { record: live, replayed };
    await waitFor(live.outcome, signal);
    return { record: live.shown, replayed };
  }

  /** The request as it stands; undefined when there is none. */
  async get(requestId: CanonicalUlid): Promise<CapabilityRequestRecord | undefined> {
    return this.#book.get(requestId)?.shown ?? await this.#store.transaction((tx) => tx.requests.get(requestId));
  }

  /** The requests that have not ended, newest first: of one device, in one state. */
  unfinished({ deviceId, state, limit }: RequestFilter): CapabilityRequestRecord[] {
    const all = deviceId === undefined ? [...this.#book.all()] : this.#book.findQueue(deviceId)?.all ?? [];
    return all.filter(({ accepted }) => accepted).map((live) => live.shown)
      .filter((record) => state === undefined || record.state === state)
      .sort((left, right) => left.requestId < right.requestId ? 1 : -1)
      .slice(0, limit);
  }

  /** What memory knows better than the store: the state of a request that has not ended. */
  current(record: CapabilityRequestRecord): CapabilityRequestRecord {
    return this.#book.get(record.requestId)?.shown ?? record;
  }

  /** The request in memory, until its end is on disk. */
  live(requestId: CanonicalUlid): LiveRequest | undefined {
    return this.#book.get(requestId);
  }

  /** Watches a request that has not ended; undefined when it has, or never was. */
  watch(requestId: CanonicalUlid, watcher: RequestWatcher): (() => void) | undefined {
    return this.#book.get(requestId)?.watch(watcher);
  }

  /**
   * Ends a request: one that waits never runs; a running one is told to stop. False when it has ended already. Resolves
   * when the end is on disk.
   */
  async cancel(requestId: CanonicalUlid, reason: string): Promise<boolean> {
    const live = this.#book.get(requestId);
    if (live === undefined) return false;
    if (live.ended) {
      await live.outcome;
      return false;
    }
    await this.#ender.stop(live, "cancelled", "cancelled", reason);
    return true;
  }

  /** Ends everything that waits for or runs on a device, which is gone for good. */
  rejectAll(deviceId: DeviceId, code: ReasonCode, message: string): void {
    for (const live of this.#book.findQueue(deviceId)?.all.filter(({ accepted }) => accepted) ?? []) {
      const inDoubt = live.sent && isInFlight(live.record.state) && !live.record.idempotent;
      void this.#ender.end(live, inDoubt ? "lost" : "rejected", { errorCode: code, error: message });
    }
  }

  /** Ends what waits for a device and that an operator allows no more; what was dispatched goes on. */
  rejectForbidden(deviceId: DeviceId): void {
    for (const live of [...this.#book.findQueue(deviceId)?.waiting ?? []].filter(({ accepted }) => accepted)) {
      const verdict = this.#policy.check(deviceId, live.record.capability);
      if (!(verdict instanceof PalyraError) || !FORBIDDEN.has(verdict.code)) continue;
      void this.#ender.end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
    }
  }

  /** Ends what an operator who was shut out has asked for, of whichever node; what a node was sent goes on. */
  rejectAskedBy(operatorId: DeviceId, code: ReasonCode, message: string): void {
    for (const live of [...this.#book.all()]) {
      const { requestedBy, state } = live.record;
      if (!live.accepted || live.sent && state !== "queued" || !isNameOf(requestedBy, operatorId)) continue;
      void this.#ender.end(live, "rejected", { errorCode: code, error: message });
    }
  }

  /**
   * A node is welcome: what it knows of its work decides what is dispatched again. `welcome` is called with what it
   * should stop, before anything is dispatched.
   */
  attach(deviceId: DeviceId, link: NodeLink, work: NodeWork, welcome: (abandon: readonly AttemptName[]) => void): void {
    this.#attachment.attach(deviceId, link, work, welcome);
  }

  /** The session with this link has ended. Its requests wait for the node to come back, or fail if that was asked for. */
  detach(deviceId: DeviceId, link: NodeLink): void {
    this.#attachment.detach(deviceId, link);
  }

  /** The node takes nothing new. */
  drain(deviceId: DeviceId, link: NodeLink): void {
    const device = this.#book.findQueue(deviceId);
    if (device?.link === link) device.draining = true;
  }

  /** The node has started an attempt. */
  accepted(deviceId: DeviceId, attempt: AttemptName): void {
    this.#reports.accepted(deviceId, attempt);
  }

  /** The node's owner is being asked. */
  awaitingLocalMediation(deviceId: DeviceId, attempt: AttemptName): void {
    this.#reports.awaitingLocalMediation(deviceId, attempt);
  }

  /** The node reports on a running attempt. */
  progress(deviceId: DeviceId, attempt: AttemptName, progress: AttemptProgress): void {
    this.#reports.progress(deviceId, attempt, progress);
  }

  /** An attempt has ended. What is not the current attempt of the node's own device changes nothing. */
  result(deviceId: DeviceId, link: NodeLink, attempt: AttemptName, result: AttemptResult): void {
    this.#reports.result(deviceId, link, attempt, result);
  }

  /** Ends every request whose time is over, though no timer has said so. */
  endOverdue(): void {
    for (const live of [...this.#book.all()]) this.#ender.endIfOver(live);
  }

  /** Stops every timer. Unfinished requests stay in the store and are loaded by the next start. */
  close(): void {
    this.#closed = true;
    this.#dispatcher.close();
    this.#progressWriter.close();
    void this.#sweep.stop();
    for (const live of this.#book.all()) live.stopTimer();
    this.#writer.close();
  }

  /** Resolves with the live request once it is on disk, or with the earlier request of the same idempotency key. */
  async #accept(
    order: CapabilityOrder,
  ): Promise<{ live: LiveRequest | CapabilityRequestRecord; replayed: boolean }> {
    const { live, permit } = this.#newRequest(order);
    const device = this.#book.queueOf(order.deviceId);
    const link = device.waiting.size === 0 && !this.#writer.isFailing ? device.linkFor(live) : undefined;
    const sentEarly = link !== undefined && forgetsHarmlessly(live.record);
    if (link === undefined) device.arriving++;
    else this.#dispatcher.begin(device, live, link, permit);
    if (sentEarly) this.#dispatcher.send(live, link);
    const { attempt } = live.record;

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
      return { live: this.#book.get(earlier.requestId) ?? earlier, replayed: true };
    }
    const over = live.endsAt <= this.#elapsed();
    if (over) this.#ender.timeOut(live);
    live.accepted = true;
    if (over) return { live, replayed: false };
    // What was allowed when it came may have been withdrawn while it was being written.
    const verdict = this.#policy.check(order.deviceId, order.capability);
    // What the node has been given goes on, as long as there is the node.
    if (verdict instanceof PalyraError && (!sentEarly || GONE.has(verdict.code))) {
      await this.#ender.end(live, "rejected", { errorCode: verdict.code, error: verdict.message });
    } else if (link === undefined) {
      if (live.record.state === "queued") device.waiting.join(live);
      this.#dispatcher.pump(device);
    } else if (!sentEarly) {
      this.#dispatcher.sendStored(device, live, link, attempt);
    }
    return { live, replayed: false };
  }

  #newRequest(order: CapabilityOrder): { live: LiveRequest; permit: DispatchPermit } {
    if (this.#closed) {
      throw new PalyraError("shutting_down", "The daemon is stopping; ask again when it is back.");
    }
    const permit = this.#policy.check(order.deviceId, order.capability);
    if (permit instanceof PalyraError) throw permit;
    const inputError = permit.schemas?.inputError(order.inputJson);
    if (inputError !== undefined) throw new PalyraError("invalid_input", `${inputError}.`);
    this.#book.requireRoom(order.deviceId, order.inputJson.length);
    const [now, elapsedMs] = [this.#clock(), this.#elapsed()];
    const { timeoutMs, ttlMs = timeoutMs, priority = "normal", ...ordered } = order;
    const record: CapabilityRequestRecord = {
      ...ordered,
      requestId: newUlid(),
      state: "queued",
      attempt: 0,
      epoch: 0,
      idempotent: permit.idempotent,
      priority,
      deadline: unixMs(now + timeoutMs),
      ttlEndsAt: unixMs(now + Math.min(ttlMs, timeoutMs)),
      createdAt: now,
      updatedAt: now,
    };
    const live = this.#enter(record, { deadlineAt: elapsedMs + timeoutMs, ttlEndsAt: elapsedMs + ttlMs });
    return { live, permit };
  }

  #enter(record: CapabilityRequestRecord, times: { deadlineAt: number; ttlEndsAt: number }): LiveRequest {
    const live = new LiveRequest(record, times);
    this.#book.add(live);
    live.startTimer(this.#elapsed, () => this.#ender.endIfOver(live));
    return live;
  }

  /** Undoes what was not accepted. */
  #forget(device: DeviceQueue, live: LiveRequest): void {
    live.stopTimer();
    this.#ender.tellToStop(live, "The request could not be stored.");
    device.remove(live);
    this.#book.remove(live);
    this.#dispatcher.pump(device);
  }

  #restore(record: CapabilityRequestRecord, progress: ProgressCursor | undefined): void {
    const [now, elapsedMs] = [this.#clock(), this.#elapsed()];
    // A clock that was set back while no daemon ran must not lengthen a life.
    const left = (end: number) => Math.min(end - now, end - record.createdAt);
    const live = this.#enter(record, {
      deadlineAt: elapsedMs + left(record.deadline),
      ttlEndsAt: elapsedMs + left(record.ttlEndsAt),
    });
    live.accepted = true;
    if (progress !== undefined) live.resumeProgress(progress);
    const device = this.#book.queueOf(record.deviceId);
    if (isInFlight(record.state)) {
      live.sent = true;
      device.putInFlight(live);
      this.#ender.endIfDisconnected(live);
    } else {
      device.waiting.join(live);
    }
  }
}
