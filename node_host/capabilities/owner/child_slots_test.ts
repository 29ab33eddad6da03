import assert from "node:assert/strict";
import { ChildSlots } from "./child_slots.ts";

const never = new AbortController().signal;

Deno.test("ChildSlots.run() lets no more in than there are places, in the order in which they came", async () => {
  const slots = new ChildSlots(2);
  const started: number[] = [];
  const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const runs = ends.map(({ promise }, at) =>
    slots.run(never, () => {
      started.push(at);
      return promise;
    })
  );
  await Promise.resolve();
  assert.deepEqual(started, [0, 1]);
  ends[1]?.resolve();
  await runs[1];
  ends[0]?.reject(new Error("failed"));
  await assert.rejects(runs[0] ?? assert.fail(), /failed/);
  ends[2]?.resolve();
  ends[3]?.resolve();
  await Promise.all([runs[2], runs[3]]);
  assert.deepEqual(started, [0, 1, 2, 3]);
});

Deno.test("ChildSlots.run() lets somebody leave the queue without shifting the others", async () => {
  const slots = new ChildSlots(1);
  const first = Promise.withResolvers<void>();
  const running = slots.run(never, () => first.promise);
  const leaver = new AbortController();
  const left = slots.run(leaver.signal, () => assert.fail("it ran"));
  const waiting = slots.run(never, () => Promise.resolve("ran"));
  leaver.abort(new Error("no longer wanted"));
  await assert.rejects(left, /no longer wanted/);
  await assert.rejects(slots.run(leaver.signal, () => assert.fail("it ran")), /no longer wanted/);
  first.resolve();
  await running;
  assert.equal(await waiting, "ran");
});

Deno.test("ChildSlots.run() gives a place on when whoever has its turn leaves at that very moment", async () => {
  const slots = new ChildSlots(1);
  const first = Promise.withResolvers<void>();
  const running = slots.run(never, () => first.promise);
  const leaver = new AbortController();
  const second = slots.run(leaver.signal, () => Promise.resolve("second"));
  const third = slots.run(never, () => Promise.resolve("third"));
  // Once all stand where they are to: right after the place was handed on, and before the one who has it knows.
  await new Promise((resolve) => setTimeout(resolve, 0));
  void first.promise.then(() => leaver.abort(new Error("late")));
  first.resolve();
  await Promise.allSettled([running, second]);
  assert.equal(await third, "third");
  assert.equal(await slots.run(never, () => Promise.resolve("fourth")), "fourth");
});
