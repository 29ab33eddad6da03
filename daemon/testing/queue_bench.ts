import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type CanonicalUlid, type DeviceId, newDeviceId } from "../../identity/device_id.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { systemClock, unixMs } from "../../identity/unix_ms.ts";
import type { AttemptName, AttemptResult, CapabilityDispatchRecord } from "../capability_dispatch_record.ts";
import type { CapabilityOrder } from "../capability_order.ts";
import { CapabilityQueue, type CapabilityQueueOptions } from "../capability_queue.ts";
import type { CapabilitySchemas, DispatchPermit, DispatchPolicy } from "../dispatch_policy.ts";
import type { NodeLink, NodeWork } from "../node_link.ts";
import type { CapabilityRequestRecord } from "../store/capability_request_record.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";

/** A node that has nothing to say about its work. */
export const NO_WORK: NodeWork = { inFlight: [], finished: [], interrupted: [] };

/** What a node of these tests answers. */
export const OUTPUT: Uint8Array = new TextEncoder().encode(`{"ok":true}`);

/** How most attempts of these tests end. */
export const SUCCESS: AttemptResult = { success: true, outputJson: OUTPUT, errorCode: "", error: "" };

/** A caller that waits for as long as it takes. */
export const never: AbortSignal = new AbortController().signal;

/** A node that remembers what it was sent. */
export class FakeLink implements NodeLink {
  readonly dispatched: CapabilityDispatchRecord[] = [];
  readonly cancelled: AttemptName[] = [];
  readonly acknowledged: AttemptName[] = [];
  readonly journalId: string;
  readonly capabilityLimits: ReadonlyMap<string, number>;
  readonly #waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];

  constructor(
    readonly epoch: number,
    readonly instanceId = "instance-1",
    readonly maxConcurrency = 4,
    { journalId = "", limits = {} }: { journalId?: string; limits?: Record<string, number> } = {},
  ) {
    this.journalId = journalId;
    this.capabilityLimits = new Map(Object.entries(limits));
  }

  dispatch(dispatch: CapabilityDispatchRecord): void {
    this.dispatched.push(dispatch);
    this.#wake();
  }

  cancel(attempt: AttemptName): void {
    this.cancelled.push(attempt);
    this.#wake();
  }

  acknowledge(attempt: AttemptName): void {
    this.acknowledged.push(attempt);
    this.#wake();
  }

  /** Resolves when it has got so many dispatches. */
  arrived(count: number): Promise<void> {
    return this.#until(() => this.dispatched.length >= count);
  }

  /** Resolves when it has got so many acknowledgements. */
  acknowledgements(count: number): Promise<void> {
    return this.#until(() => this.acknowledged.length >= count);
  }

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ isDone, resolve }));
  }

  #wake(): void {
    for (const { isDone, resolve } of this.#waiters) if (isDone()) resolve();
  }
}

/** The real queue on the real store, with clocks that can be moved and a policy that can be changed. */
export class QueueBench implements DispatchPolicy {
  readonly device: DeviceId = newDeviceId();
  /** Refusals by capability. A capability whose name begins with `safe` is idempotent. */
  readonly refusals = new Map<string, PalyraError>();
  readonly schemas = new Map<string, CapabilitySchemas>();
  /** How far the wall clock was set ahead, in milliseconds. */
  wallSkewMs = 0;
  /** How much more time has passed than the machine was awake, in milliseconds. */
  sleptMs = 0;
  readonly #folder: string;
  readonly #options: Partial<CapabilityQueueOptions>;
  #store: SqliteStore | undefined;
  #queue: CapabilityQueue | undefined;

  private constructor(folder: string, options: Partial<CapabilityQueueOptions>) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: Partial<CapabilityQueueOptions> = {}): Promise<QueueBench> {
    const bench = new QueueBench(await Deno.makeTempDir(), options);
    await bench.#open();
    return bench;
  }

  get queue(): CapabilityQueue {
    assert.ok(this.#queue);
    return this.#queue;
  }

  get store(): SqliteStore {
    assert.ok(this.#store);
    return this.#store;
  }

  check(_: DeviceId, capability: string): PalyraError | DispatchPermit {
    const schemas = this.schemas.get(capability);
    return this.refusals.get(capability) ??
      { idempotent: capability.startsWith("safe"), ...(schemas !== undefined && { schemas }) };
  }

  /** Stops the daemon's part in good order and starts it again; `whileDown` is called in between. */
  async restart(whileDown: () => void = () => {}): Promise<void> {
    await this.#close();
    whileDown();
    await this.#open();
  }

  async stop(): Promise<void> {
    await this.#close();
    await Deno.remove(this.#folder, { recursive: true });
  }

  order(capability: string, changes: Partial<CapabilityOrder> = {}): CapabilityOrder {
    return {
      deviceId: this.device,
      capability,
      inputJson: new TextEncoder().encode("null"),
      maxPayloadBytes: 1024,
      timeoutMs: 60_000,
      requestedBy: "operator",
      ...changes,
    };
  }

  async submit(capability: string, changes: Partial<CapabilityOrder> = {}): Promise<CapabilityRequestRecord> {
    return (await this.queue.submit(this.order(capability, changes))).record;
  }

  attach(link: FakeLink, work: Partial<NodeWork> = {}): readonly AttemptName[] {
    let abandoned: readonly AttemptName[] = [];
    this.queue.attach(this.device, link, { ...NO_WORK, ...work }, (abandon) => abandoned = abandon);
    return abandoned;
  }

  detach(link: FakeLink): void {
    this.queue.detach(this.device, link);
  }

  finish(link: FakeLink, dispatch: AttemptName | undefined, result: AttemptResult = SUCCESS): void {
    assert.ok(dispatch);
    this.queue.result(this.device, link, dispatch, result);
  }

  /** Resolves with the request once it has ended for everybody. */
  async ended(requestId: CanonicalUlid): Promise<CapabilityRequestRecord> {
    await this.queue.live(requestId)?.outcome;
    return await this.get(requestId);
  }

  async get(requestId: CanonicalUlid): Promise<CapabilityRequestRecord> {
    const record = await this.queue.get(requestId);
    assert.ok(record);
    return record;
  }

  /** The request as it is on disk. */
  async stored(requestId: CanonicalUlid): Promise<CapabilityRequestRecord | undefined> {
    return await this.store.transaction((tx) => tx.requests.get(requestId));
  }

  /** Lets nothing be written until what it returns is disposed of. */
  lockStore(): Disposable {
    const db = new DatabaseSync(this.#path);
    db.exec("BEGIN IMMEDIATE");
    return { [Symbol.dispose]: () => db.close() };
  }

  get #path(): string {
    return join(this.#folder, "palyrad.sqlite");
  }

  async #open(): Promise<void> {
    this.#store = SqliteStore.open(this.#path);
    this.#queue = await CapabilityQueue.open({
      store: this.#store,
      policy: this,
      clock: () => unixMs(systemClock() + this.wallSkewMs),
      elapsed: () => performance.now() + this.sleptMs,
      ...this.#options,
    });
  }

  async #close(): Promise<void> {
    this.#queue?.close();
    await this.#store?.close();
  }
}

/** A test of `subject` on a bench of its own. */
export function benchTest(subject: string, options: Partial<CapabilityQueueOptions> = {}) {
  return (name: string, body: (bench: QueueBench) => Promise<void>): void =>
    Deno.test(`${subject} ${name}`, async () => {
      const bench = await QueueBench.start(options);
      try {
        await body(bench);
      } finally {
        await bench.stop();
      }
    });
}

/** Whether something thrown is the failure with this code. */
export const isError = (code: ReasonCode) => (thrown: unknown): boolean =>
  thrown instanceof PalyraError && thrown.code === code;
