import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../identity/device_id.ts";
import { benchTest, FakeLink, never, OUTPUT, type QueueBench, SUCCESS } from "./testing/queue_bench.ts";

const test = benchTest("NodeReports");

test("ignores results and progress for an old attempt, a foreign device and an unknown request", async (bench) => {
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

test("passes states and progress on in order and each progress once", async (bench) => {
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
  await bench.ended(record.requestId);
  assert.deepEqual(seen, [
    "running",
    "progress 1",
    "progress 2",
    "progress 3",
    "awaiting_local_mediation",
    "succeeded",
  ]);
});

test("takes up running again what the node's owner has allowed", async (bench) => {
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

test("fails a result that is larger than its caller allowed", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const answer = bench.queue.execute(bench.order("safe.echo", { maxPayloadBytes: 4 }), never);
  await link.arrived(1);
  bench.finish(link, link.dispatched[0]);
  assert.equal((await answer).record.errorCode, "output_too_large");
});

const counted = (bench: QueueBench) =>
  Object.fromEntries([...bench.queue.ignored.counts].filter(([, count]) => count > 0));

test("counts what it ignores, and changes nothing by it", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const waiting = await bench.submit("open");
  const attempt = { requestId: record.requestId, attempt: 1 };
  const { queue, device } = bench;
  const report = (sequence: number) => ({ sequence, payloadJson: OUTPUT });
  queue.accepted(device, { ...attempt, attempt: 2 });
  queue.progress(device, { requestId: newUlid(), attempt: 1 }, report(1));
  queue.awaitingLocalMediation(newDeviceId(), attempt);
  queue.accepted(device, attempt);
  queue.accepted(device, attempt);
  queue.progress(device, attempt, report(2));
  queue.progress(device, attempt, report(1));
  queue.result(newDeviceId(), link, attempt, SUCCESS);
  queue.result(device, link, { ...attempt, attempt: 7 }, SUCCESS);
  queue.result(device, link, { requestId: newUlid(), attempt: 1 }, SUCCESS);
  await link.acknowledgements(3);
  assert.deepEqual(counted(bench), { not_open: 2, other_attempt: 2, foreign_request: 2, progress_out_of_order: 1 });
  assert.equal((await bench.get(record.requestId)).state, "running");
  assert.equal((await bench.get(waiting.requestId)).state, "dispatched");
});

test("keeps the first late result with its request, which it does not change", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const [dispatch] = link.dispatched;
  assert.ok(dispatch);
  // Both while the end is being written and after it.
  const cancelled = bench.queue.cancel(record.requestId, "no longer wanted");
  bench.finish(link, dispatch);
  await cancelled;
  await link.acknowledgements(1);
  bench.finish(link, dispatch, {
    success: false,
    outputJson: new Uint8Array(),
    errorCode: "execution_failed",
    error: "",
  });
  await link.acknowledgements(2);
  const ended = await bench.get(record.requestId);
  assert.deepEqual([ended.state, ended.outputJson], ["cancelled", undefined]);
  assert.equal(ended.lateResult?.attempt, 1);
  assert.deepEqual([ended.lateResult.success, ended.lateResult.errorCode], [true, ""]);
  assert.deepEqual(counted(bench), { late_result: 2 });
});

test("does not take the result that ended a request for a late one when it comes again", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  bench.finish(link, link.dispatched[0]);
  bench.finish(link, link.dispatched[0]);
  await bench.ended(record.requestId);
  bench.finish(link, link.dispatched[0]);
  await link.acknowledgements(3);
  assert.equal((await bench.get(record.requestId)).lateResult, undefined);
  assert.deepEqual(counted(bench), {});
});

test("does not let a stranger put a late result on a request of another device", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  await bench.queue.cancel(record.requestId, "no longer wanted");
  bench.queue.result(newDeviceId(), link, { requestId: record.requestId, attempt: 1 }, SUCCESS);
  await link.acknowledgements(1);
  assert.equal((await bench.get(record.requestId)).lateResult, undefined);
  assert.deepEqual(counted(bench), { foreign_request: 1 });
});

test("does not acknowledge a late result that could not be kept", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  await bench.queue.cancel(record.requestId, "no longer wanted");
  {
    using _lock = bench.lockStore();
    bench.finish(link, link.dispatched[0]);
    await assert.rejects(bench.store.transaction((tx) => tx.facts.get("x")));
  }
  assert.deepEqual(link.acknowledged, []);
  bench.finish(link, link.dispatched[0]);
  await link.acknowledgements(1);
  assert.equal((await bench.get(record.requestId)).lateResult?.success, true);
});

test("fails a result that the capability's schema does not allow", async (bench) => {
  bench.schemas.set("open", { inputError: () => undefined, outputError: () => "output.ok: must be of type string" });
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  bench.finish(link, link.dispatched[0]);
  const ended = await bench.ended(record.requestId);
  assert.deepEqual([ended.state, ended.errorCode, ended.error], [
    "failed",
    "invalid_output",
    "output.ok: must be of type string.",
  ]);
});

test("calls it a refusal when the node could not write its journal", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const refused = { success: false, outputJson: new Uint8Array(), errorCode: "state_read_only", error: "No room." };
  bench.finish(link, link.dispatched[0], refused);
  assert.equal((await bench.ended(record.requestId)).state, "rejected");
});

test("keeps progress on disk, lazily while a request runs and all of it when it ends", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const attempt = { requestId: record.requestId, attempt: 1 };
  const onDisk = async () =>
    (await bench.store.transaction((tx) => tx.progress.list(record.requestId, { attempt: 0, sequence: 0 })))
      .map(({ sequence }) => sequence);
  const report = (sequence: number) => bench.queue.progress(bench.device, attempt, { sequence, payloadJson: OUTPUT });
  for (const sequence of [1, 2, 5]) report(sequence);
  const commits = bench.store.commitCount;
  assert.deepEqual(await onDisk(), [1, 2, 5], "they share the commit of whoever comes next");
  assert.equal(bench.store.commitCount, commits + 1);
  report(6);
  bench.finish(link, attempt);
  await bench.ended(record.requestId);
  assert.deepEqual(await onDisk(), [1, 2, 5, 6]);
});

test("knows after a restart which progress it has had", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const record = await bench.submit("open");
  const attempt = { requestId: record.requestId, attempt: 1 };
  bench.queue.progress(bench.device, attempt, { sequence: 3, payloadJson: OUTPUT });
  await bench.store.transaction((tx) => tx.facts.get("x"));
  await bench.restart();
  bench.attach(new FakeLink(2), { inFlight: [attempt] });
  bench.queue.progress(bench.device, attempt, { sequence: 3, payloadJson: OUTPUT });
  assert.deepEqual(counted(bench), { progress_out_of_order: 1 });
});

test("takes nothing for an attempt that was not sent yet", async (bench) => {
  const { requestId } = await bench.submit("open");
  const link = new FakeLink(1);
  bench.attach(link);
  // It is being written.
  bench.queue.accepted(bench.device, { requestId, attempt: 1 });
  bench.finish(link, { requestId, attempt: 1 });
  await link.arrived(1);
  assert.equal((await bench.get(requestId)).state, "dispatched");
  assert.deepEqual(counted(bench), { other_attempt: 2 });
});

test("queues what a stopping node hands back, ends it when its caller wanted that, and sends the node nothing", async (bench) => {
  const link = new FakeLink(1, "instance-1");
  bench.attach(link);
  const { queue, device } = bench;
  const handedBack = { success: false, outputJson: new Uint8Array(), errorCode: "queue_full", error: "stopping" };
  const [left, failing] = [await bench.submit("open"), await bench.submit("open", { onDisconnect: "fail" })];
  for (const { requestId } of [left, failing]) {
    queue.awaitingLocalMediation(device, { requestId, attempt: 1 });
  }
  queue.drain(device, link);
  for (const { requestId } of [left, failing]) queue.result(device, link, { requestId, attempt: 1 }, handedBack);
  const ended = await bench.ended(failing.requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["failed", "node_disconnected"]);
  assert.equal((await bench.get(left.requestId)).state, "queued");
  queue.detach(device, link);
  assert.equal(link.dispatched.length, 2);
  const next = new FakeLink(2, "instance-2");
  bench.attach(next);
  await next.arrived(1);
  assert.deepEqual(next.dispatched.map(({ requestId, attempt }) => [requestId, attempt]), [[left.requestId, 2]]);
});
