import assert from "node:assert/strict";
import { join } from "node:path";
import { type DeviceId, newDeviceId, newUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import type { AttemptName, CapabilityDispatchRecord } from "./capability_dispatch_record.ts";
import type { CapabilityOrder } from "./capability_order.ts";
import { CapabilityQueue } from "./capability_queue.ts";
import type { NodeLink, NodeWork } from "./node_link.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

const NO_WORK: NodeWork = { inFlight: [], finished: [] };
const OUTPUT = new TextEncoder().encode(`{"ok":true}`);
const SUCCESS = { success: true, outputJson: OUTPUT, errorCode: "", error: "" };
const never = new AbortController().signal;

/** A node that remembers what it was sent. */
class FakeLink implements NodeLink {
  readonly dispatched: CapabilityDispatchRecord[] = [];
  readonly cancelled: AttemptName[] = [];
  readonly acknowledged: AttemptName[] = [];
  readonly #arrivals: { count: number; resolve: () => void }[] = [];

  constructor(readonly epoch: number, readonly instanceId = "instance-1", readonly maxConcurrency = 4) {}

  dispatch(dispatch: CapabilityDispatchRecord): void {
    this.dispatched.push(dispatch);
    for (const each of this.#arrivals) if (this.dispatched.length >= each.count) each.resolve();
  }
  cancel(attempt: AttemptName): void {
    this.cancelled.push(attempt);
  }
  acknowledge(attempt: AttemptName): void {
    this.acknowledged.push(attempt);
  }
  async arrived(count: number): Promise<void> {
    if (this.dispatched.length >= count) return;
    await new Promise<void>((resolve) => this.#arrivals.push({ count, resolve }));
  }
}

class Bench {
  readonly device: DeviceId = newDeviceId();
  readonly verdicts = new Map<string, PalyraError>();
  /** How far the clock is ahead, in milliseconds. */
  skewMs = 0;
  readonly #folder: string;
  #store: SqliteStore;
  queue: CapabilityQueue;

  private constructor(folder: string, store: SqliteStore, queue: CapabilityQueue) {
    this.#folder = folder;
    this.#store = store;
    this.queue = queue;
  }

  static #policyOf(bench: () => Bench | undefined) {
    return {
      check: (_: DeviceId, capability: string) =>
        bench()?.verdicts.get(capability) ?? { idempotent: capability.startsWith("safe") },
    };
  }

  static async start(queueBound?: number): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
    // deno-lint-ignore prefer-const -- the policy needs the bench, the bench the queue
    let bench: Bench | undefined;
    const policy = Bench.#policyOf(() => bench);
    const clock = () => unixMs(systemClock() + (bench?.skewMs ?? 0));
    const options = { store, policy, clock, ...(queueBound !== undefined && { queueBound }) };
    bench = new Bench(folder, store, await CapabilityQueue.open(options));
    return bench;
  }

  async restart(): Promise<void> {
    this.queue.close();
    await this.#store.close();
    this.#store = SqliteStore.open(join(this.#folder, "palyrad.sqlite"));
    this.queue = await CapabilityQueue.open({
      store: this.#store,
      policy: Bench.#policyOf(() => this),
      clock: () => unixMs(systemClock() + this.skewMs),
    });
  }

  async stop(): Promise<void> {
    this.queue.close();
    await this.#store.close();
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

  attach(link: FakeLink, work: NodeWork = NO_WORK): readonly AttemptName[] {
    let abandoned: readonly AttemptName[] = [];
    this.queue.attach(this.device, link, work, (abandon) => abandoned = abandon);
    return abandoned;
  }

  finish(link: FakeLink, dispatch: CapabilityDispatchRecord | undefined, result = SUCCESS): void {
    assert.ok(dispatch);
    this.queue.result(this.device, link, dispatch, result);
  }
}

function withBench(name: string, body: (bench: Bench) => Promise<void>, queueBound?: number): void {
  Deno.test(`CapabilityQueue ${name}`, async () => {
    const bench = await Bench.start(queueBound);
    try {
      await body(bench);
    } finally {
      await bench.stop();
    }
  });
}

const isError = (code: string) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;

for (const capability of ["safe.echo", "open"]) {
  withBench(`runs ${capability} on an idle node and acknowledges the result once it is stored`, async (bench) => {
    const link = new FakeLink(1);
    bench.attach(link);
    const answer = bench.queue.execute(bench.order(capability), never);
    await link.arrived(1);
    assert.equal(link.dispatched[0]?.attempt, 1);
    assert.equal(link.dispatched[0]?.epoch, 1);
    bench.finish(link, link.dispatched[0]);
    const { record } = await answer;
    assert.equal(record.state, "succeeded");
    assert.deepEqual(record.outputJson, OUTPUT);
    await bench.restart();
    assert.deepEqual(link.acknowledged.map((each) => each.requestId), [record.requestId]);
    assert.equal((await bench.queue.get(record.requestId))?.state, "succeeded");
  });
}

withBench("keeps requests of an offline node across a restart and runs them in order", async (bench) => {
  const first = await bench.queue.submit(bench.order("open"));
  const second = await bench.queue.submit(bench.order("open"));
  assert.equal(first.record.state, "queued");
  await bench.restart();
  const link = new FakeLink(1);
  bench.attach(link);
  await link.arrived(2);
  assert.deepEqual(link.dispatched.map((each) => each.requestId), [first.record.requestId, second.record.requestId]);
});

withBench("sends no more at once than the node takes, and the next when one ends", async (bench) => {
  const link = new FakeLink(1, "instance-1", 2);
  bench.attach(link);
  await Promise.all([1, 2, 3].map(() => bench.queue.submit(bench.order("safe.echo"))));
  assert.equal(link.dispatched.length, 2);
  assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 1, inFlight: 2 });
  bench.finish(link, link.dispatched[0]);
  await link.arrived(3);
});

withBench("refuses what the policy refuses, at acceptance and again at dispatch", async (bench) => {
  bench.verdicts.set("denied", new PalyraError("capability_not_granted", "Not granted."));
  await assert.rejects(bench.queue.submit(bench.order("denied")), isError("capability_not_granted"));
  const { record } = await bench.queue.submit(bench.order("open"));
  bench.verdicts.set("open", new PalyraError("capability_not_granted", "Withdrawn."));
  const link = new FakeLink(1);
  bench.attach(link);
  const ended = await bench.queue.get(record.requestId);
  assert.equal(ended?.state, "rejected");
  assert.equal(ended?.errorCode, "capability_not_granted");
  assert.deepEqual(link.dispatched, []);
});

withBench("refuses more than the bound with queue_full and takes more when there is room", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open"));
  // Two at once: the bound holds also for what is still on its way to the disk.
  const results = await Promise.allSettled([1, 2].map(() => bench.queue.submit(bench.order("open"))));
  assert.deepEqual(results.map((each) => each.status), ["fulfilled", "rejected"]);
  await assert.rejects(bench.queue.submit(bench.order("open")), isError("queue_full"));
  await bench.queue.cancel(record.requestId, "no longer wanted");
  await bench.queue.submit(bench.order("open"));
}, 2);

withBench("returns the first request for a repeated idempotency key, also at once and after its end", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const order = bench.order("open", { idempotencyKey: "pay-once" });
  const both = Promise.all([bench.queue.execute(order, never), bench.queue.execute(order, never)]);
  await link.arrived(1);
  bench.finish(link, link.dispatched[0]);
  const [one, two] = await both;
  assert.equal(one.record.requestId, two.record.requestId);
  assert.deepEqual([one.replayed, two.replayed].sort(), [false, true]);
  await bench.restart();
  const later = await bench.queue.execute(order, never);
  assert.equal(later.replayed, true);
  assert.deepEqual(later.record.outputJson, OUTPUT);
  assert.equal(link.dispatched.length, 1);
});

withBench("ends a request at its deadline: waiting ones never run, running ones are told to stop", async (bench) => {
  const waiting = await bench.queue.execute(bench.order("open", { timeoutMs: 5 }), never);
  assert.equal(waiting.record.state, "timed_out");
  const link = new FakeLink(1);
  bench.attach(link);
  const running = await bench.queue.execute(bench.order("open", { timeoutMs: 300 }), never);
  assert.equal(running.record.state, "timed_out");
  assert.deepEqual(link.cancelled.map((each) => each.requestId), [running.record.requestId]);
  // Too late: acknowledged so that the node forgets it, and nothing changes.
  bench.finish(link, link.dispatched[0]);
  assert.equal((await bench.queue.get(running.record.requestId))?.state, "timed_out");
  assert.equal(link.acknowledged.length, 1);
  assert.equal(link.dispatched.length, 1);
});

withBench("does not run after a restart what passed its deadline meanwhile", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open", { timeoutMs: 60_000 }));
  bench.skewMs = 60_001;
  await bench.restart();
  const link = new FakeLink(1);
  await new Promise<void>((resolve) => {
    if (bench.queue.watch(record.requestId, () => resolve()) === undefined) resolve();
  });
  bench.attach(link);
  assert.equal((await bench.queue.get(record.requestId))?.state, "timed_out");
  assert.deepEqual(link.dispatched, []);
});

withBench("cancels a waiting request for good and tells the node of a running one", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open"));
  assert.equal(await bench.queue.cancel(record.requestId, "changed my mind"), true);
  assert.equal(await bench.queue.cancel(record.requestId, "again"), false);
  assert.equal((await bench.queue.get(record.requestId))?.state, "cancelled");
  const link = new FakeLink(1);
  bench.attach(link);
  assert.equal(link.dispatched.length, 0);
  const running = bench.queue.execute(bench.order("open"), never);
  await link.arrived(1);
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  await bench.queue.cancel(dispatch.requestId, "stop");
  assert.deepEqual(link.cancelled.map((each) => each.attempt), [1]);
  assert.equal((await running).record.state, "cancelled");
});

withBench("ignores results and progress for an old attempt, a foreign device and an unknown request", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  await bench.queue.submit(bench.order("open"));
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  const stranger = newDeviceId();
  bench.queue.result(stranger, link, dispatch, SUCCESS);
  bench.queue.result(bench.device, link, { ...dispatch, attempt: 2 }, SUCCESS);
  bench.queue.accepted(stranger, dispatch);
  bench.queue.progress(stranger, dispatch, { sequence: 1, payloadJson: OUTPUT });
  assert.equal((await bench.queue.get(dispatch.requestId))?.state, "dispatched");
});

withBench("passes states and progress on in order and each progress once", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const { record } = await bench.queue.submit(bench.order("open"));
  const seen: string[] = [];
  bench.queue.watch(
    record.requestId,
    (event) => seen.push(event.kind === "state" ? event.record.state : `progress ${event.progress.sequence}`),
  );
  const attempt = { requestId: record.requestId, attempt: 1 };
  bench.queue.accepted(bench.device, attempt);
  for (const sequence of [1, 2, 2, 1, 3]) {
    bench.queue.progress(bench.device, attempt, { sequence, payloadJson: OUTPUT });
  }
  bench.queue.awaitingLocalMediation(bench.device, attempt);
  bench.finish(link, link.dispatched[0]);
  assert.deepEqual(seen, [
    "running",
    "progress 1",
    "progress 2",
    "progress 3",
    "awaiting_local_mediation",
    "succeeded",
  ]);
});

withBench("lets what waits for the node's owner hold up nothing else", async (bench) => {
  const link = new FakeLink(1, "instance-1", 1);
  bench.attach(link);
  const { record } = await bench.queue.submit(bench.order("open"));
  await link.arrived(1);
  const [first] = link.dispatched;
  assert.ok(first);
  bench.queue.accepted(bench.device, first);
  const other = bench.queue.execute(bench.order("open"), never);
  bench.queue.awaitingLocalMediation(bench.device, first);
  await link.arrived(2);
  bench.finish(link, link.dispatched[1]);
  assert.equal((await other).record.state, "succeeded");
  assert.equal((await bench.queue.get(record.requestId))?.state, "awaiting_local_mediation");
});

withBench("tells a request that the node's owner did not answer before its deadline", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const asked = bench.queue.execute(bench.order("open", { timeoutMs: 50 }), never);
  await link.arrived(1);
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  bench.queue.awaitingLocalMediation(bench.device, dispatch);
  const { record } = await asked;
  assert.equal(record.state, "timed_out");
  assert.equal(record.error, "The node's owner did not answer before the request's deadline.");
});

withBench("takes up running again what the node's owner has allowed", async (bench) => {
  const link = new FakeLink(1, "instance-1", 1);
  bench.attach(link);
  const answer = bench.queue.execute(bench.order("open"), never);
  await link.arrived(1);
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  bench.queue.accepted(bench.device, dispatch);
  bench.queue.awaitingLocalMediation(bench.device, dispatch);
  bench.queue.accepted(bench.device, dispatch);
  assert.equal((await bench.queue.get(dispatch.requestId))?.state, "running");
  bench.finish(link, dispatch);
  assert.equal((await answer).record.state, "succeeded");
});

withBench("after a lost session goes on with what the node still runs and takes results once", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const answer = bench.queue.execute(bench.order("open"), never);
  await first.arrived(1);
  const [dispatch] = first.dispatched;
  assert.ok(dispatch);
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2);
  assert.deepEqual(bench.attach(second, { inFlight: [dispatch], finished: [] }), []);
  assert.deepEqual(second.dispatched, []);
  bench.finish(second, dispatch);
  bench.finish(second, dispatch);
  assert.equal((await answer).record.state, "succeeded");
});

withBench("after a lost session repeats what the same process never got", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("open"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2);
  bench.attach(second);
  await second.arrived(1);
  assert.equal(second.dispatched[0]?.requestId, record.requestId);
  assert.equal(second.dispatched[0]?.attempt, 2);
});

withBench("after the node's restart repeats the idempotent and calls the rest lost", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const safe = await bench.queue.submit(bench.order("safe.echo"));
  const open = bench.queue.execute(bench.order("open"), never);
  await first.arrived(2);
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2");
  bench.attach(second);
  const lost = await open;
  assert.equal(lost.record.state, "lost");
  assert.equal(lost.record.errorCode, "outcome_unknown");
  assert.deepEqual(second.dispatched.map((each) => each.requestId), [safe.record.requestId]);
});

withBench(
  "after the daemon's restart adopts what the node has, and tells it to stop what nobody wants",
  async (bench) => {
    const link = new FakeLink(1);
    bench.attach(link);
    const { record } = await bench.queue.submit(bench.order("safe.echo"));
    const [dispatch] = link.dispatched;
    assert.ok(dispatch);
    const strange = { requestId: newUlid(), attempt: 1 };
    await bench.restart();
    const again = new FakeLink(2);
    assert.deepEqual(bench.attach(again, { inFlight: [dispatch, strange], finished: [] }), [strange]);
    assert.deepEqual(again.dispatched, []);
    const ended = new Promise<void>((resolve) =>
      bench.queue.watch(record.requestId, (event) => event.kind === "state" && resolve())
    );
    bench.finish(again, dispatch);
    await ended;
    assert.equal((await bench.queue.get(record.requestId))?.state, "succeeded");
  },
);

withBench("fails a result that is larger than its caller allowed", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const answer = bench.queue.execute(bench.order("safe.echo", { maxPayloadBytes: 4 }), never);
  await link.arrived(1);
  bench.finish(link, link.dispatched[0]);
  assert.equal((await answer).record.errorCode, "output_too_large");
});

withBench("gives nothing new to a node that drains, nor to an old session", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  bench.queue.drain(bench.device, first);
  const { record } = await bench.queue.submit(bench.order("open"));
  assert.equal(record.state, "queued");
  const second = new FakeLink(2);
  bench.attach(second);
  bench.queue.detach(bench.device, first);
  await second.arrived(1);
  assert.deepEqual(first.dispatched, []);
});

withBench("says welcome before it dispatches anything, also when it has to call requests lost", async (bench) => {
  const first = new FakeLink(1, "instance-1", 1);
  bench.attach(first);
  await bench.queue.submit(bench.order("open"));
  await bench.queue.submit(bench.order("safe.echo"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2", 1);
  const order: string[] = [];
  second.dispatch = () => order.push("dispatch");
  bench.queue.attach(bench.device, second, NO_WORK, () => order.push("welcome"));
  assert.deepEqual(order, ["welcome", "dispatch"]);
});

withBench("goes on with an attempt whose number it had not written before it was restarted", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("safe.echo"));
  bench.queue.detach(bench.device, first);
  const second = new FakeLink(2, "instance-2");
  bench.attach(second);
  await second.arrived(1);
  const [dispatch] = second.dispatched;
  assert.equal(dispatch?.attempt, 2);
  await bench.restart();
  const third = new FakeLink(3, "instance-2");
  assert.ok(dispatch);
  assert.deepEqual(bench.attach(third, { inFlight: [dispatch], finished: [] }), [], "it is not told to stop");
  assert.equal(third.dispatched.length, 0, "nor dispatched again");
  const outcome = new Promise<string>((resolve) =>
    bench.queue.watch(record.requestId, (event) => event.kind === "state" && resolve(event.record.state))
  );
  bench.finish(third, dispatch);
  assert.equal(await outcome, "succeeded");
});

withBench("sends a large backlog in a window, and more as the node takes it", async (bench) => {
  const inputJson = new TextEncoder().encode(JSON.stringify("x".repeat(1_000_000)));
  await Promise.all([1, 2, 3, 4, 5, 6].map(() => bench.queue.submit(bench.order("safe.echo", { inputJson }))));
  const link = new FakeLink(1, "instance-1", 32);
  bench.attach(link);
  assert.equal(link.dispatched.length, 4);
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  bench.queue.accepted(bench.device, dispatch);
  assert.equal(link.dispatched.length, 5);
});

withBench("takes back what the node had no room for, and does not call it failed", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const { record } = await bench.queue.submit(bench.order("open"));
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  const full = { success: false, outputJson: new Uint8Array(), errorCode: "queue_full", error: "No room." };
  bench.queue.result(bench.device, link, dispatch, full);
  assert.equal((await bench.queue.get(record.requestId))?.state, "queued");
  await link.arrived(2);
  assert.equal(link.dispatched[1]?.attempt, 2);
});

withBench("refuses an idempotency key that stands for another request", async (bench) => {
  await bench.queue.submit(bench.order("open", { idempotencyKey: "k" }));
  const other = new TextEncoder().encode("1");
  for (const changes of [{ inputJson: other }, { requestedBy: "somebody else" }]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(
      bench.queue.submit(bench.order("open", { idempotencyKey: "k", ...changes })),
      isError("invalid_argument"),
    );
  }
  await assert.rejects(bench.queue.submit(bench.order("close", { idempotencyKey: "k" })), isError("invalid_argument"));
  assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 1, inFlight: 0 });
});

withBench("ends a request whose permission is withdrawn while it is being written", async (bench) => {
  const accepted = bench.queue.submit(bench.order("open"));
  bench.verdicts.set("open", new PalyraError("device_revoked", "Revoked."));
  const { record } = await accepted;
  assert.equal(record.state, "rejected");
  assert.equal(record.errorCode, "device_revoked");
});

withBench("never dispatches what is past its deadline, though no timer has said so", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open", { timeoutMs: 60_000 }));
  bench.skewMs = 60_001;
  const link = new FakeLink(1);
  bench.attach(link);
  assert.deepEqual(link.dispatched, []);
  assert.equal((await bench.queue.get(record.requestId))?.state, "timed_out");
});

withBench("knows after its restart that a process which never stopped had not got an attempt", async (bench) => {
  const first = new FakeLink(1);
  bench.attach(first);
  const { record } = await bench.queue.submit(bench.order("open"));
  await bench.restart();
  const second = new FakeLink(2);
  bench.attach(second);
  await second.arrived(1);
  assert.equal(second.dispatched[0]?.requestId, record.requestId);
});
