import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { benchTest, FakeLink, isError, never, OUTPUT } from "./testing/queue_bench.ts";

const test = benchTest("CapabilityQueue");

for (const capability of ["safe.echo", "open"]) {
  test(`runs ${capability} on an idle node and acknowledges the result once it is stored`, async (bench) => {
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
    assert.equal((await bench.get(record.requestId)).state, "succeeded");
  });
}

test("keeps requests of an offline node across a restart and runs them in order", async (bench) => {
  const first = await bench.queue.submit(bench.order("open"));
  const second = await bench.queue.submit(bench.order("open"));
  assert.equal(first.record.state, "queued");
  await bench.restart();
  const link = new FakeLink(1);
  bench.attach(link);
  await link.arrived(2);
  assert.deepEqual(link.dispatched.map((each) => each.requestId), [first.record.requestId, second.record.requestId]);
});

test("refuses what the policy refuses, at acceptance and again at dispatch", async (bench) => {
  bench.refusals.set("denied", new PalyraError("capability_not_granted", "Not granted."));
  await assert.rejects(bench.queue.submit(bench.order("denied")), isError("capability_not_granted"));
  const { record } = await bench.queue.submit(bench.order("open"));
  bench.refusals.set("open", new PalyraError("capability_not_granted", "Withdrawn."));
  const link = new FakeLink(1);
  bench.attach(link);
  const ended = await bench.ended(record.requestId);
  assert.equal(ended.state, "rejected");
  assert.equal(ended.errorCode, "capability_not_granted");
  assert.deepEqual(link.dispatched, []);
});

benchTest("CapabilityQueue", { queueBound: 2 })(
  "refuses more than the bound with queue_full and takes more when there is room",
  async (bench) => {
    const { record } = await bench.queue.submit(bench.order("open"));
    // Two at once: the bound holds also for what is still on its way to the disk.
    const results = await Promise.allSettled([1, 2].map(() => bench.queue.submit(bench.order("open"))));
    assert.deepEqual(results.map((each) => each.status), ["fulfilled", "rejected"]);
    await assert.rejects(bench.queue.submit(bench.order("open")), isError("queue_full"));
    await bench.queue.cancel(record.requestId, "no longer wanted");
    await bench.queue.submit(bench.order("open"));
  },
);

test("returns the first request for a repeated idempotency key, also at once and after its end", async (bench) => {
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

test("cancels a waiting request for good and tells the node of a running one", async (bench) => {
  const { record } = await bench.queue.submit(bench.order("open"));
  assert.equal(await bench.queue.cancel(record.requestId, "changed my mind"), true);
  assert.equal(await bench.queue.cancel(record.requestId, "again"), false);
  assert.equal((await bench.get(record.requestId)).state, "cancelled");
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

test("refuses an idempotency key that stands for another request", async (bench) => {
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

test("ends a request whose permission is withdrawn while it is being written", async (bench) => {
  const accepted = bench.queue.submit(bench.order("open"));
  bench.refusals.set("open", new PalyraError("device_revoked", "Revoked."));
  const { record } = await accepted;
  assert.equal(record.state, "rejected");
  assert.equal(record.errorCode, "device_revoked");
});

const bytes = (length: number) => new TextEncoder().encode(JSON.stringify("x".repeat(length - 2)));

benchTest("CapabilityQueue", { bounds: { deviceInputBytes: 1_000, inputBytesInAll: 1_500 } })(
  "bounds the bytes of unfinished inputs, of each node and of all, and says which bound it was",
  async (bench) => {
    const first = await bench.submit("open", { inputJson: bytes(900) });
    await assert.rejects(
      bench.submit("open", { inputJson: bytes(101) }),
      (error) => isError("queue_full")(error) && /The inputs of the node's .* 900 bytes.* 1000 /.test(String(error)),
    );
    const elsewhere = { deviceId: newDeviceId(), inputJson: bytes(601) };
    await assert.rejects(
      bench.submit("open", elsewhere),
      (error) => isError("queue_full")(error) && /The inputs of all .* 900 bytes.* 1500 /.test(String(error)),
    );
    await bench.queue.cancel(first.requestId, "room is needed");
    await bench.submit("open", elsewhere);
    await bench.submit("open", { inputJson: bytes(899) });
    await bench.restart();
    await assert.rejects(
      bench.submit("open", { inputJson: bytes(102) }),
      isError("queue_full"),
      "also after a restart",
    );
  },
);

test("refuses an input that the capability's schema does not allow, and stores nothing", async (bench) => {
  bench.schemas.set("open", { inputError: () => "input.url: is required", outputError: () => undefined });
  await assert.rejects(
    bench.submit("open", { idempotencyKey: "k" }),
    (error) => isError("invalid_input")(error) && String(error).includes("input.url: is required."),
  );
  assert.deepEqual(await bench.store.transaction((tx) => tx.requests.list({ limit: 10 })), []);
  assert.deepEqual(bench.queue.counts, { queued: 0, inFlight: 0 });
});

test("lists what has not ended by its state in memory, newest first", async (bench) => {
  const link = new FakeLink(1, "instance-1", 1);
  bench.attach(link);
  const first = await bench.submit("open");
  const second = await bench.submit("open");
  bench.queue.accepted(bench.device, { requestId: first.requestId, attempt: 1 });
  const ids = (filter: { state?: "running" | "queued" }) =>
    bench.queue.unfinished({ ...filter, deviceId: bench.device, limit: 10 }).map(({ requestId }) => requestId);
  assert.deepEqual(ids({}), [second.requestId, first.requestId]);
  assert.deepEqual(ids({ state: "running" }), [first.requestId]);
  assert.deepEqual(ids({ state: "queued" }), [second.requestId]);
  assert.equal(bench.queue.unfinished({ limit: 1 }).length, 1);
});

test("gives 500 callers that come back after a restart the result of their own request each", async (bench) => {
  const inputs = Array.from({ length: 500 }, (_, index) => new TextEncoder().encode(String(index)));
  const orders = inputs.map((inputJson, index) =>
    bench.order(index % 2 === 0 ? "safe.echo" : "open", { inputJson, idempotencyKey: `caller-${index}` })
  );
  const submitted = await Promise.all(orders.map((order) => bench.queue.submit(order)));
  await bench.restart();
  const answers = orders.map((order) => bench.queue.execute(order, never));
  const link = new FakeLink(1, "instance-1", 500);
  bench.attach(link);
  await link.arrived(500);
  for (const dispatch of link.dispatched) {
    bench.finish(link, dispatch, { success: true, outputJson: dispatch.inputJson, errorCode: "", error: "" });
  }
  for (const [index, { record, replayed }] of (await Promise.all(answers)).entries()) {
    assert.equal(record.requestId, submitted[index]?.record.requestId);
    assert.deepEqual([record.state, record.outputJson, replayed], ["succeeded", inputs[index], true]);
  }
});

test("returns under its key what a caller was told, also when it asks again after a crash", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const answer = bench.queue.execute(bench.order("safe.echo", { idempotencyKey: "k" }), never);
  await link.arrived(1);
  bench.finish(link, link.dispatched[0]);
  const { record } = await answer;
  // Whoever was told the end of a keyed request finds it on disk at that moment.
  assert.equal((await bench.stored(record.requestId))?.state, "succeeded");
});

test("tells callers that wait for an end which is not on disk that the daemon stops", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const waiting = bench.queue.execute(bench.order("open"), never);
  await link.arrived(1);
  using _lock = bench.lockStore();
  bench.finish(link, link.dispatched[0]);
  const refused = assert.rejects(waiting, isError("shutting_down"));
  await assert.rejects(bench.submit("open"), isError("state_in_use"));
  bench.queue.close();
  await refused;
});
