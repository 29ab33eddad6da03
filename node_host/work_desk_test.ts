import assert from "node:assert/strict";
import type { CapabilityRunRequest, LocalCapabilityResult } from "./capabilities/mod.ts";
import { attachedTo, dispatchOf, RecordingLink } from "./testing/recording_link.ts";
import { HeldCapability, testDesk } from "./testing/test_node.ts";
import { MAX_RUNNING_ATTEMPTS, MAX_UNACKNOWLEDGED_BYTES, WorkDesk } from "./work_desk.ts";

Deno.test("WorkDesk tells that an attempt runs, before anything else of it", async () => {
  const held = new HeldCapability("held", true);
  const desk = testDesk(held);
  const link = attachedTo(desk);
  desk.dispatch(dispatchOf());
  await held.untilStarted(1);
  held.finish({ done: true });
  await link.until(3);
  assert.deepEqual(link.cases, ["accepted", "progress", "result"]);
  const result = link.sent[2];
  assert.ok(result?.$case === "result" && result.value.success);
  assert.equal(new TextDecoder().decode(result.value.outputJson), '{"done":true}');
});

Deno.test("WorkDesk tells that an attempt runs by the end of the turn, and of one that is over by its result alone", async () => {
  const { runner, runs } = recordingRunner();
  const desk = new WorkDesk({ runner, isIdempotent: () => true });
  const link = attachedTo(desk);
  const [instant, slow, unwanted] = [dispatchOf(), dispatchOf(), dispatchOf()];
  for (const dispatch of [instant, slow, unwanted]) desk.dispatch(dispatch);
  desk.cancel(unwanted, "not wanted");
  runs[0]?.end({ success: true, outputJson: new Uint8Array() });
  await link.until(2);
  assert.deepEqual(link.cases, ["result", "accepted"]);
  const [result, accepted] = link.sent;
  assert.ok(result?.$case === "result" && accepted?.$case === "accepted");
  assert.equal(result.value.attempt?.requestId?.ulid, instant.requestId);
  assert.equal(accepted.value.attempt?.requestId?.ulid, slow.requestId);
});

Deno.test("WorkDesk runs an attempt once, however often it is dispatched", async () => {
  const held = new HeldCapability("held", false);
  const desk = testDesk(held);
  const link = attachedTo(desk);
  const dispatch = dispatchOf({ attempt: 2 });
  desk.dispatch(dispatch);
  desk.dispatch(dispatch);
  desk.dispatch({ ...dispatch, attempt: 1 });
  await held.untilStarted(1);
  held.finish(null);
  await link.until(3);
  desk.dispatch(dispatch);
  await Promise.resolve();
  assert.equal(held.starts, 1);
  assert.deepEqual(link.cases, ["accepted", "progress", "result"]);
});

Deno.test("WorkDesk stops the older attempt when a newer one of the same request comes", async () => {
  const held = new HeldCapability("held", true);
  const desk = testDesk(held);
  const link = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await held.untilStarted(1);
  const first = held.signal;
  desk.dispatch({ ...dispatch, attempt: 2 });
  assert.equal(first?.aborted, true);
  await held.untilStarted(2);
  assert.deepEqual(desk.inFlight.map(({ attempt }) => attempt), [2]);
  held.finish("late");
  held.finish("newest");
  const told = await link.results(2);
  assert.deepEqual(told.map(({ attempt, errorCode }) => [attempt?.attempt, errorCode]), [[1, "cancelled"], [2, ""]]);
});

Deno.test("WorkDesk keeps a result over sessions until it is acknowledged", async () => {
  const held = new HeldCapability("held", false);
  const desk = testDesk(held);
  const first = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await held.untilStarted(1);
  desk.detach(first);
  held.finish(7);
  const second = attachedTo(desk);
  await second.results(1);
  const name = { requestId: dispatch.requestId, attempt: 1 };
  assert.deepEqual(desk.finished, [name]);
  desk.detach(second);
  const third = attachedTo(desk);
  assert.deepEqual(third.cases, ["result"]);
  desk.acknowledge({ ...name, attempt: 2 });
  assert.deepEqual(desk.finished, [name]);
  desk.acknowledge(name);
  assert.deepEqual(desk.finished, []);
  assert.deepEqual(attachedTo(desk).cases, []);
});

Deno.test("WorkDesk tells a new session what still runs, and stops what the daemon has abandoned", async () => {
  const held = new HeldCapability("held", false);
  const desk = testDesk(held);
  const first = attachedTo(desk);
  const [kept, abandoned] = [dispatchOf(), dispatchOf()];
  desk.dispatch(kept);
  desk.dispatch(abandoned);
  await held.untilStarted(2);
  desk.detach(first);
  const second = new RecordingLink();
  desk.attach(second, [abandoned]);
  const told = await second.results(1);
  assert.deepEqual(second.cases, ["accepted", "result"]);
  assert.equal(told[0]?.attempt?.requestId?.ulid, abandoned.requestId);
  assert.equal(told[0]?.errorCode, "cancelled");
  assert.deepEqual(desk.inFlight.map(({ requestId }) => requestId), [kept.requestId]);
  assert.deepEqual(desk.finished, []);
  held.finish(null);
});

Deno.test("WorkDesk.cancel() aborts a running attempt with the daemon's reason and remembers nothing of it", async () => {
  const held = new HeldCapability("held", false);
  const desk = testDesk(held);
  const link = attachedTo(desk);
  const dispatch = dispatchOf();
  desk.dispatch(dispatch);
  await held.untilStarted(1);
  desk.cancel({ requestId: dispatch.requestId, attempt: 2 }, "another attempt");
  assert.equal(held.signal?.aborted, false);
  desk.cancel(dispatch, "cancelled by\u202e the operator.");
  assert.equal(held.signal?.aborted, true);
  const [result] = await link.results(1);
  assert.equal(result?.success, false);
  assert.equal(result?.errorCode, "cancelled");
  assert.equal(result?.error, "The request was cancelled: cancelled by? the operator.");
  await desk.whenIdle();
  held.finish(null);
});

Deno.test("WorkDesk.cancel() forgets the result of an attempt that has ended", async () => {
  const desk = testDesk();
  const link = attachedTo(desk);
  const dispatch = dispatchOf({ capability: "echo" });
  desk.dispatch(dispatch);
  await link.results(1);
  assert.equal(desk.finished.length, 1);
  desk.cancel(dispatch, "its deadline is over");
  assert.equal(desk.finished.length, 0);
});

Deno.test("WorkDesk sends progress in sequence over sessions, and none while there is no session", () => {
  const { runner, runs } = recordingRunner();
  const desk = new WorkDesk({ runner, isIdempotent: () => true });
  const first = attachedTo(desk);
  desk.dispatch(dispatchOf());
  const progress = runs[0]?.request.progress;
  assert.ok(progress);
  progress(new Uint8Array([1]));
  desk.detach(first);
  progress(new Uint8Array([2]));
  const second = attachedTo(desk);
  progress(new Uint8Array([3]));
  runs[0]?.request.awaitingMediation?.();
  const sequences = [first, second].map(({ sent }) =>
    sent.flatMap((message) => message.$case === "progress" ? [message.value.sequence] : [])
  );
  assert.deepEqual(sequences, [[1], [3]]);
  assert.deepEqual(second.cases, ["accepted", "progress", "awaitingLocalMediation"]);
  desk.detach(second);
  const third = attachedTo(desk);
  assert.deepEqual(third.cases, ["accepted", "awaitingLocalMediation"]);
  runs[0]?.request.mediationEnded?.();
  assert.deepEqual(third.cases, ["accepted", "awaitingLocalMediation", "accepted"], "it runs");
  desk.detach(third);
  assert.deepEqual(attachedTo(desk).cases, ["accepted"]);
});

Deno.test("WorkDesk refuses with queue_full, and does not remember, beyond the attempts that it may run", async () => {
  const { runner, runs } = recordingRunner();
  const desk = new WorkDesk({ runner, isIdempotent: () => true });
  const link = attachedTo(desk);
  for (let count = 0; count < MAX_RUNNING_ATTEMPTS; count++) desk.dispatch(dispatchOf());
  const refused = dispatchOf();
  desk.dispatch(refused);
  assert.equal(runs.length, MAX_RUNNING_ATTEMPTS);
  const [result] = await link.results(1);
  assert.equal(result?.errorCode, "queue_full");
  assert.deepEqual(desk.finished, []);
  runs[0]?.end({ success: true, outputJson: new Uint8Array() });
  await link.results(2);
  desk.dispatch(refused);
  assert.equal(runs.length, MAX_RUNNING_ATTEMPTS + 1);
});

Deno.test("WorkDesk refuses new work while unacknowledged results take all the room, and takes it again after", async () => {
  const { runner, runs } = recordingRunner();
  const desk = new WorkDesk({ runner, isIdempotent: () => true });
  const link = attachedTo(desk);
  const [large, next] = [dispatchOf(), dispatchOf()];
  desk.dispatch(large);
  runs[0]?.end({ success: true, outputJson: new Uint8Array(MAX_UNACKNOWLEDGED_BYTES) });
  await link.results(1);
  desk.dispatch(next);
  assert.equal(runs.length, 1);
  desk.acknowledge(large);
  desk.dispatch(next);
  assert.equal(runs.length, 2);
});

Deno.test("WorkDesk.stopAll() reports what must not be repeated and hands the rest back in silence", async () => {
  const careful = new HeldCapability("careful", false);
  const repeatable = new HeldCapability("repeatable", true);
  const desk = testDesk(careful, repeatable);
  const link = attachedTo(desk);
  const dispatch = dispatchOf({ capability: "careful" });
  desk.dispatch(dispatch);
  desk.dispatch(dispatchOf({ capability: "repeatable" }));
  await careful.untilStarted(1);
  await repeatable.untilStarted(1);
  desk.stopAll();
  const results = await link.results(1);
  assert.equal(repeatable.signal?.aborted, true);
  desk.acknowledge(dispatch);
  await desk.whenIdle();
  assert.equal(results.length, 1);
  assert.equal(results[0]?.attempt?.requestId?.ulid, dispatch.requestId);
  assert.equal(results[0]?.errorCode, "shutting_down");
  assert.equal(link.cases.filter((kind) => kind === "result").length, 1);
  careful.finish(null);
  repeatable.finish(null);
});

Deno.test("WorkDesk.whenIdle() waits for the end of the work and for its acknowledgement", async () => {
  const desk = testDesk();
  const link = attachedTo(desk);
  const dispatch = dispatchOf({ capability: "echo" });
  desk.dispatch(dispatch);
  let idle = false;
  const waiting = desk.whenIdle().then(() => idle = true);
  await link.results(1);
  await Promise.resolve();
  assert.equal(idle, false);
  desk.acknowledge(dispatch);
  await waiting;
});

interface RecordedRun {
  readonly request: CapabilityRunRequest;
  end(result: LocalCapabilityResult): void;
}

/** For what only the desk decides: runs that begin at once and end when told. */
function recordingRunner() {
  const runs: RecordedRun[] = [];
  const run = (request: CapabilityRunRequest): Promise<LocalCapabilityResult> => {
    const { promise, resolve } = Promise.withResolvers<LocalCapabilityResult>();
    runs.push({ request, end: resolve });
    return promise;
  };
  return { runner: { run }, runs };
}
