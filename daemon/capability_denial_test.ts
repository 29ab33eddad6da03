import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { benchTest, FakeLink, type QueueBench } from "./testing/queue_bench.ts";

const test = benchTest("CapabilityQueue");

function deny(bench: QueueBench, capability: string, code: ReasonCode = "capability_denied"): void {
  bench.refusals.set(capability, new PalyraError(code, "Denied meanwhile."));
}

test("rejects what waits for a capability that was denied meanwhile, and leaves the rest alone", async (bench) => {
  const [denied, withdrawn, open, asleep] = await Promise.all(
    ["denied", "withdrawn", "open", "asleep"].map((capability) => bench.submit(capability)),
  );
  assert.ok(denied && withdrawn && open && asleep);
  deny(bench, "denied");
  deny(bench, "withdrawn", "capability_not_granted");
  // Not an operator's word: it may pass before the node comes.
  deny(bench, "asleep", "capability_unavailable");
  bench.queue.rejectForbidden(bench.device);
  const ends = await Promise.all([denied, withdrawn].map(({ requestId }) => bench.ended(requestId)));
  assert.deepEqual(ends.map(({ state, errorCode }) => [state, errorCode]), [
    ["rejected", "capability_denied"],
    ["rejected", "capability_not_granted"],
  ]);
  const others = await Promise.all([open, asleep].map(({ requestId }) => bench.get(requestId)));
  assert.deepEqual(others.map(({ state }) => state), ["queued", "queued"]);
  await bench.restart();
  assert.equal((await bench.get(denied.requestId)).state, "rejected", "on disk");
});

test("lets go on what the node has when its capability is denied", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const { requestId } = await bench.submit("open");
  await link.arrived(1);
  deny(bench, "open");
  bench.queue.rejectForbidden(bench.device);
  bench.finish(link, link.dispatched[0]);
  assert.equal((await bench.ended(requestId)).state, "succeeded");
  assert.deepEqual(link.cancelled, []);
});

test("sends nothing whose capability is denied while its attempt is being written", async (bench) => {
  const { requestId } = await bench.submit("open");
  const link = new FakeLink(1);
  bench.attach(link);
  assert.equal((await bench.get(requestId)).state, "dispatched", "begun, and on its way to the disk");
  deny(bench, "open");
  bench.queue.rejectForbidden(bench.device);
  const ended = await bench.ended(requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["rejected", "capability_denied"]);
  assert.deepEqual(link.dispatched, []);
});

test("rejects what a revoked operator has asked for and no node was sent, and nothing else", async (bench) => {
  const revoked = newDeviceId();
  const link = new FakeLink(1);
  bench.attach(link);
  const { requestId: sent } = await bench.submit("open", { requestedBy: `phone (${revoked})` });
  await link.arrived(1);
  bench.queue.drain(bench.device, link);
  const waiting = await bench.submit("open", { requestedBy: `renamed (${revoked})` });
  const another = await bench.submit("open", { requestedBy: `phone (${newDeviceId()})` });
  bench.queue.rejectAskedBy(revoked, "device_revoked", "The operator was revoked.");
  const ended = await bench.ended(waiting.requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["rejected", "device_revoked"]);
  assert.equal((await bench.get(another.requestId)).state, "queued");
  assert.equal((await bench.get(sent)).state, "dispatched");
  bench.finish(link, link.dispatched[0]);
  assert.equal((await bench.ended(sent)).state, "succeeded");
});

test("does not dispatch again what was denied while its node was away", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const { requestId } = await bench.submit("safe.echo");
  await link.arrived(1);
  bench.detach(link);
  deny(bench, "safe.echo");
  bench.queue.rejectForbidden(bench.device);
  const other = new FakeLink(2, "instance-2");
  bench.attach(other);
  const ended = await bench.ended(requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["rejected", "capability_denied"]);
  assert.deepEqual(other.dispatched, []);
});

test("ends what went out while it was being written when its node is revoked in that moment", async (bench) => {
  const link = new FakeLink(1);
  bench.attach(link);
  const submitting = bench.submit("safe.echo");
  assert.equal(link.dispatched.length, 1, "sent, and not yet on disk");
  deny(bench, "safe.echo", "device_revoked");
  bench.detach(link);
  bench.queue.rejectAll(bench.device, "device_revoked", "Revoked.");
  const ended = await bench.ended((await submitting).requestId);
  assert.deepEqual([ended.state, ended.errorCode], ["rejected", "device_revoked"]);
});
