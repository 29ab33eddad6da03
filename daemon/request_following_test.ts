import assert from "node:assert/strict";
import type { CanonicalUlid } from "../identity/device_id.ts";
import { newUlid } from "../identity/device_id.ts";
import type { RequestEvent } from "./live_request.ts";
import { followRequest } from "./request_following.ts";
import { PROGRESS_KEPT } from "./store/request_progress_record.ts";
import { benchTest, FakeLink, isError, never, OUTPUT, type QueueBench } from "./testing/queue_bench.ts";

const test = benchTest("followRequest()");

const name = (event: RequestEvent) =>
  event.kind === "state" ? event.record.state : `${event.attempt}/${event.progress.sequence}`;

/** Reads on in the background; `names` is what came so far. */
function follow(bench: QueueBench, requestId: CanonicalUlid, attempt = 0, sequence = 0, signal = never) {
  const names: string[] = [];
  const wakers: (() => void)[] = [];
  const done = (async () => {
    for await (const event of followRequest(bench, requestId, { attempt, sequence }, signal)) {
      names.push(name(event));
      for (const wake of wakers) wake();
    }
    return names;
  })();
  const until = async (count: number) => {
    // deno-lint-ignore no-await-in-loop -- waits for the next event
    while (names.length < count) await new Promise<void>((resolve) => wakers.push(resolve));
  };
  return { names, done, until };
}

async function running(bench: QueueBench) {
  const link = new FakeLink(1);
  bench.attach(link);
  const { requestId } = await bench.submit("open");
  const attempt = { requestId, attempt: 1 };
  bench.queue.accepted(bench.device, attempt);
  const report = (sequence: number, number = 1) =>
    bench.queue.progress(bench.device, { requestId, attempt: number }, { sequence, payloadJson: OUTPUT });
  return { link, requestId, attempt, report };
}

test("tells the state, the progress behind the cursor, and then what happens, each once", async (bench) => {
  const { link, requestId, attempt, report } = await running(bench);
  report(1);
  report(2);
  // On disk by now; the next ones are not.
  await bench.store.transaction((tx) => tx.facts.get("x"));
  report(3);
  const all = follow(bench, requestId);
  const rest = follow(bench, requestId, 1, 2);
  report(4);
  await all.until(5);
  await rest.until(3);
  bench.queue.awaitingLocalMediation(bench.device, attempt);
  report(5);
  bench.finish(link, attempt);
  assert.deepEqual(await all.done, [
    "running",
    "1/1",
    "1/2",
    "1/3",
    "1/4",
    "awaiting_local_mediation",
    "1/5",
    "succeeded",
  ]);
  assert.deepEqual(await rest.done, ["running", "1/3", "1/4", "awaiting_local_mediation", "1/5", "succeeded"]);
});

test("goes on by the cursor after a restart of the daemon, and after the end", async (bench) => {
  const { requestId, attempt, report } = await running(bench);
  report(1);
  report(2);
  await bench.store.transaction((tx) => tx.facts.get("x"));
  await bench.restart();
  const link = new FakeLink(2);
  bench.attach(link, { inFlight: [attempt] });
  const again = follow(bench, requestId, 1, 1);
  await again.until(2);
  report(3);
  bench.finish(link, attempt);
  assert.deepEqual(await again.done, ["dispatched", "1/2", "1/3", "succeeded"]);
  assert.deepEqual(await follow(bench, requestId, 1, 2).done, ["succeeded", "1/3"]);
  await bench.restart();
  assert.deepEqual(await follow(bench, requestId).done, ["succeeded", "1/1", "1/2", "1/3"]);
});

test("keeps attempts apart: their numbers begin anew", async (bench) => {
  const { link, requestId, report } = await running(bench);
  report(1);
  report(2);
  bench.detach(link);
  const again = new FakeLink(2);
  bench.attach(again);
  await again.arrived(1);
  report(1, 2);
  bench.finish(again, again.dispatched[0]);
  await bench.ended(requestId);
  assert.deepEqual(await follow(bench, requestId).done, ["succeeded", "1/1", "1/2", "2/1"]);
  assert.deepEqual(await follow(bench, requestId, 1, 2).done, ["succeeded", "2/1"]);
});

/** One that was dispatched and has told of progress, of which only the progress is on disk. */
async function forgottenDispatch(bench: QueueBench) {
  const { requestId } = await bench.submit("safe.echo");
  const link = new FakeLink(1);
  bench.attach(link);
  await link.arrived(1);
  const report = (sequence: number) =>
    bench.queue.progress(bench.device, { requestId, attempt: 1 }, { sequence, payloadJson: OUTPUT });
  report(1);
  report(2);
  await bench.store.transaction((tx) => tx.facts.get("x"));
  await bench.restart();
  assert.equal((await bench.get(requestId)).state, "queued");
  return { requestId, report };
}

test("tells of a run after a crash under a number that no stored progress has", async (bench) => {
  const { requestId } = await forgottenDispatch(bench);
  const link = new FakeLink(2);
  bench.attach(link);
  await link.arrived(1);
  const [again] = link.dispatched;
  assert.equal(again?.attempt, 2);
  bench.queue.progress(bench.device, again, { sequence: 1, payloadJson: OUTPUT });
  bench.finish(link, again);
  await bench.ended(requestId);
  assert.deepEqual(await follow(bench, requestId).done, ["succeeded", "1/1", "1/2", "2/1"]);
});

test("goes on behind the stored progress of a run whose dispatch a crash has forgotten", async (bench) => {
  const { requestId, report } = await forgottenDispatch(bench);
  const link = new FakeLink(2);
  const attempt = { requestId, attempt: 1 };
  bench.attach(link, { inFlight: [attempt] });
  const again = follow(bench, requestId, 1, 1);
  await again.until(2);
  report(2);
  report(3);
  bench.finish(link, attempt);
  assert.deepEqual(await again.done, ["dispatched", "1/2", "1/3", "succeeded"]);
  assert.equal(bench.queue.ignored.counts.get("progress_out_of_order"), 1);
});

test("shows by a jump of the numbers that progress is no longer kept", async (bench) => {
  const { link, requestId, attempt, report } = await running(bench);
  for (let sequence = 1; sequence <= PROGRESS_KEPT + 44; sequence++) report(sequence);
  bench.finish(link, attempt);
  await bench.ended(requestId);
  const names = await follow(bench, requestId, 1, 3).done;
  assert.deepEqual([names.length, names[1]], [PROGRESS_KEPT + 1, "1/45"]);
});

test("ends when its reader goes, and tells that there is no such request", async (bench) => {
  const { requestId } = await running(bench);
  const controller = new AbortController();
  const followed = follow(bench, requestId, 0, 0, controller.signal);
  await followed.until(1);
  controller.abort();
  assert.deepEqual(await followed.done, ["running"]);
  await assert.rejects(follow(bench, newUlid()).done, isError("request_not_found"));
});
