import assert from "node:assert/strict";
import { benchTest, FakeLink, never } from "./testing/queue_bench.ts";

const test = benchTest("RequestEnder");

test("ends a request at its deadline: waiting ones never run, running ones are told to stop", async (bench) => {
  const waiting = await bench.queue.execute(bench.order("open", { timeoutMs: 5 }), never);
  assert.equal(waiting.record.state, "timed_out");
  const link = new FakeLink(1);
  bench.attach(link);
  const running = await bench.queue.execute(bench.order("open", { timeoutMs: 300 }), never);
  assert.equal(running.record.state, "timed_out");
  assert.deepEqual(link.cancelled.map((each) => each.requestId), [running.record.requestId]);
  // Too late: acknowledged so that the node forgets it, and nothing changes.
  bench.finish(link, link.dispatched[0]);
  await link.acknowledgements(1);
  assert.equal((await bench.get(running.record.requestId)).state, "timed_out");
  assert.equal(link.dispatched.length, 1);
});

test("does not run after a restart what passed its deadline meanwhile", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open", { timeoutMs: 60_000 }));
  await bench.restart(() => bench.wallSkewMs = 60_001);
  const link = new FakeLink(1);
  bench.attach(link);
  await bench.ended(record.requestId);
  assert.equal((await bench.get(record.requestId)).state, "timed_out");
  assert.deepEqual(link.dispatched, []);
});

test("tells a request that the node's owner did not answer before its deadline", async (bench) => {
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

test("never dispatches what is past its deadline, though no timer has said so", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open", { timeoutMs: 60_000 }));
  bench.sleptMs = 60_001;
  const link = new FakeLink(1);
  bench.attach(link);
  assert.deepEqual(link.dispatched, []);
  assert.equal((await bench.ended(record.requestId)).state, "timed_out");
});

test("ends what waits when its time to live is over, and never dispatches it", async (bench) => {
  const record = await bench.submit("open", { ttlMs: 5 });
  const ended = await bench.ended(record.requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["timed_out", "ttl_expired"]);
  const waiting = await bench.submit("open", { ttlMs: 30_000 });
  bench.sleptMs = 30_001;
  const link = new FakeLink(1);
  bench.attach(link);
  assert.equal((await bench.ended(waiting.requestId)).errorCode, "ttl_expired");
  assert.deepEqual(link.dispatched, []);
});

test("lets what was dispatched in its time to live run on until its deadline", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const answer = bench.queue.execute(bench.order("safe.echo", { ttlMs: 20_000 }), never);
  await link.arrived(1);
  bench.sleptMs = 20_001;
  bench.queue.endOverdue();
  bench.finish(link, link.dispatched[0]);
  assert.equal((await answer).record.state, "succeeded");
});

test("ends by its time to live also what comes back to the queue after it", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open", { ttlMs: 20_000 });
  await link.arrived(1);
  bench.detach(link);
  bench.sleptMs = 20_001;
  const again = new FakeLink(2);
  bench.attach(again);
  assert.equal((await bench.ended(record.requestId)).errorCode, "ttl_expired");
  assert.deepEqual(again.dispatched, []);
});

test("counts the time to live on while no daemon runs, and not what a node was sent in time", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const sent = await bench.submit("safe.echo", { ttlMs: 20_000 });
  await link.arrived(1);
  bench.queue.drain(bench.device, link);
  const waiting = await bench.submit("safe.echo", { ttlMs: 20_000 });
  await bench.restart(() => bench.wallSkewMs = 20_001);
  assert.equal((await bench.ended(waiting.requestId)).errorCode, "ttl_expired");
  assert.equal((await bench.get(sent.requestId)).state, "dispatched");
});

for (const [direction, hours] of [["ahead", 1], ["back", -1]] as const) {
  test(`goes by the time that has passed when the wall clock jumps an hour ${direction}`, async (bench) => {
    const soon = bench.queue.execute(bench.order("open", { timeoutMs: 50 }), never);
    const later = await bench.submit("open", { timeoutMs: 60_000 });
    bench.wallSkewMs = hours * 3_600_000;
    bench.queue.endOverdue();
    assert.equal((await bench.get(later.requestId)).state, "queued");
    assert.equal((await soon).record.state, "timed_out");
    const link = new FakeLink(1);
    bench.attach(link);
    await link.arrived(1);
    assert.equal(link.dispatched[0]?.requestId, later.requestId);
    const timeLeftMs = link.dispatched[0]?.timeLeftMs ?? 0;
    assert.ok(timeLeftMs > 30_000 && timeLeftMs <= 60_000, `${timeLeftMs} ms left`);
  });
}

test("lengthens no life when the clock was set back while no daemon ran", async (bench) => {
  const record = await bench.submit("open", { timeoutMs: 60_000 });
  await bench.restart(() => bench.wallSkewMs = -3_600_000);
  bench.sleptMs = 60_001;
  bench.queue.endOverdue();
  assert.equal((await bench.ended(record.requestId)).state, "timed_out");
});

test("ends what is overdue when a machine has slept over the deadline", async (bench) => {
  const record = await bench.submit("open", { timeoutMs: 60_000 });
  bench.sleptMs = 60_001;
  bench.queue.endOverdue();
  assert.equal((await bench.ended(record.requestId)).state, "timed_out");
});

test("tells nobody of an end that is not on disk, where forgetting it could do harm", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const seen: string[] = [];
  bench.queue.watch(record.requestId, (event) => seen.push(event.kind === "state" ? event.record.state : event.kind));
  bench.finish(link, link.dispatched[0]);
  assert.equal((await bench.get(record.requestId)).state, "dispatched");
  assert.deepEqual(seen, []);
  const told = bench.ended(record.requestId);
  assert.equal(await bench.queue.cancel(record.requestId, "too late"), false);
  assert.equal((await told).state, "succeeded");
  assert.equal((await bench.stored(record.requestId))?.state, "succeeded");
  assert.deepEqual(seen, ["succeeded"]);
});
