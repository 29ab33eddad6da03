import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import { benchTest, FakeLink, isError, never } from "./testing/queue_bench.ts";

const test = benchTest("Dispatcher");

test("sends no more at once than the node takes, and the next when one ends", async (bench) => {
  const link = new FakeLink(1, "instance-1", 2);
  bench.attach(link);
  await Promise.all([1, 2, 3].map(() => bench.queue.submit(bench.order("safe.echo"))));
  assert.equal(link.dispatched.length, 2);
  assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 1, inFlight: 2 });
  bench.finish(link, link.dispatched[0]);
  await link.arrived(3);
});

test("lets what waits for the node's owner hold up nothing else", async (bench) => {
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
  assert.equal((await bench.get(record.requestId)).state, "awaiting_local_mediation");
});

test("gives nothing new to a node that drains, nor to an old session", async (bench) => {
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

test("sends a large backlog in a window, and more as the node takes it", async (bench) => {
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

test("takes back what the node had no room for, and does not call it failed", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const { record } = await bench.queue.submit(bench.order("open"));
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  const full = { success: false, outputJson: new Uint8Array(), errorCode: "queue_full", error: "No room." };
  bench.queue.result(bench.device, link, dispatch, full);
  assert.equal((await bench.get(record.requestId)).state, "queued");
  await link.arrived(2);
  assert.equal(link.dispatched[1]?.attempt, 2);
});

test("takes turns by priority, in the order of acceptance within one", async (bench) => {
  const names = new Map<string, string>();
  for (
    const [name, priority] of [["l1", "low"], ["n1", "normal"], ["l2", "low"], ["h1", "high"], ["h2", "high"]] as const
  ) {
    // deno-lint-ignore no-await-in-loop -- in this order
    names.set((await bench.submit("open", { priority })).requestId, name);
  }
  await bench.restart();
  const link = new FakeLink(1, "instance-1", 1);
  bench.attach(link);
  for (let count = 1; count <= 5; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await link.arrived(count);
    bench.finish(link, link.dispatched.at(-1));
  }
  assert.deepEqual(link.dispatched.map(({ requestId }) => names.get(requestId)), ["h1", "n1", "h2", "l1", "l2"]);
});

test("lets a capability that is at its bound hold up nobody behind it", async (bench) => {
  const link = new FakeLink(1, "instance-1", 4, { limits: { slow: 1 } });
  bench.attach(link);
  const slow = await Promise.all([1, 2, 3].map(() => bench.submit("slow")));
  const other = bench.queue.execute(bench.order("open"), never);
  await link.arrived(2);
  assert.deepEqual(link.dispatched.map(({ capability }) => capability), ["slow", "open"]);
  bench.finish(link, link.dispatched[1]);
  await other;
  assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 2, inFlight: 1 });
  bench.finish(link, link.dispatched[0]);
  await link.arrived(3);
  assert.equal(link.dispatched[2]?.requestId, slow[1]?.requestId);
  // What waits for the node's owner does not count.
  bench.queue.awaitingLocalMediation(bench.device, { requestId: slow[1]?.requestId ?? newUlid(), attempt: 1 });
  await link.arrived(4);
});

test("sends what could be forgotten at once, and anything else when its attempt is on disk", async (bench) => {
  const link = new FakeLink(1, "instance-1", 16);
  bench.attach(link);
  const accepted = [
    bench.submit("safe.echo"),
    bench.submit("open"),
    bench.submit("safe.echo", { idempotencyKey: "k" }),
    bench.submit("safe.echo", { ttlMs: 1_000 }),
    bench.submit("safe.echo", { onDisconnect: "wait" }),
    bench.submit("safe.echo", { onDisconnect: "fail" }),
    bench.submit("safe.echo", { onDisconnect: "requeue" }),
  ];
  const [early] = link.dispatched;
  assert.deepEqual(link.dispatched.map(({ requestId }) => requestId).length, 2);
  const records = await Promise.all(accepted);
  assert.deepEqual([early?.requestId, link.dispatched[1]?.requestId], [records[0]?.requestId, records[6]?.requestId]);
});

test("accepts nothing and begins nothing while the store takes nothing, and goes on when it does again", async (bench) => {
  const link = new FakeLink(1, "instance-1", 2);
  bench.attach(link);
  const first = bench.queue.execute(bench.order("open"), never);
  await link.arrived(1);
  const held = bench.queue.execute(bench.order("open"), never);
  await link.arrived(2);
  const waiting = [await bench.submit("safe.echo"), await bench.submit("safe.echo")];
  {
    using _lock = bench.lockStore();
    bench.finish(link, link.dispatched[0]);
    await assert.rejects(bench.submit("open"), isError("state_in_use"));
    // A result is held, so nothing is begun that would make more of them, though there is room on the node.
    bench.finish(link, link.dispatched[1]);
    assert.deepEqual(bench.queue.countsOf(bench.device), { queued: 1, inFlight: 1 });
    // After a failure nothing goes out before it is accepted either.
    await assert.rejects(bench.submit("safe.echo"), isError("state_in_use"));
    assert.equal(link.dispatched.length, 3);
  }
  assert.deepEqual([(await first).record.state, (await held).record.state], ["succeeded", "succeeded"]);
  await link.arrived(4);
  assert.deepEqual(link.dispatched.slice(2).map(({ requestId }) => requestId), waiting.map((each) => each.requestId));
  await link.acknowledgements(2);
});

test("keeps no record of an end, where what was sent early could not be accepted", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  {
    using _lock = bench.lockStore();
    const refused = assert.rejects(bench.queue.execute(bench.order("safe.echo"), never), isError("state_in_use"));
    await link.arrived(1);
    bench.finish(link, link.dispatched[0]);
    await refused;
  }
  // The end is tried once more, and finds no request to which it could belong.
  const waiting = await bench.submit("open");
  await link.arrived(2);
  bench.finish(link, link.dispatched[1]);
  await bench.ended(waiting.requestId);
  const [dispatch] = link.dispatched;
  assert.equal(dispatch && await bench.stored(dispatch.requestId), undefined);
  const kinds = await bench.store.transaction((tx) => tx.audit.read({ after: 0, limit: 10 }));
  assert.deepEqual(kinds.map(({ subject }) => subject), [waiting.requestId]);
});
