import assert from "node:assert/strict";
import { ChildSlots } from "./child_slots.ts";

const never = new AbortController().signal;

/** Holds a place from when it has one until `until` settles. */
async function hold<Value>(
  slots: ChildSlots,
  signal: AbortSignal,
  until: () => Promise<Value>,
): Promise<Value> {
  using _place = await slots.take(signal);
  return await until();
}

Deno.test("ChildSlots.take() gives no more places than there are, in the order in which they were asked for", async () => {
  const slots = new ChildSlots(2);
  const started: number[] = [];
  const ends = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const runs = ends.map(({ promise }, at) =>
    hold(slots, never, () => {
      started.push(at);
      return promise;
    })
  );
  await new Promise((resolve) => setTimeout(resolve, 0));
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

Deno.test("ChildSlots.take() lets somebody leave the queue without shifting the others", async () => {
  const slots = new ChildSlots(1);
  const first = await slots.take(never);
  const leaver = new AbortController();
  const left = slots.take(leaver.signal);
  const waiting = hold(slots, never, () => Promise.resolve("ran"));
  leaver.abort(new Error("no longer wanted"));
  await assert.rejects(left, /no longer wanted/);
  await assert.rejects(slots.take(leaver.signal), /no longer wanted/);
  first[Symbol.dispose]();
  assert.equal(await waiting, "ran");
});

Deno.test("ChildSlots.take() gives a place on when whoever has its turn leaves at that very moment", async () => {
  const slots = new ChildSlots(1);
  const first = await slots.take(never);
  const leaver = new AbortController();
  const second = hold(slots, leaver.signal, () => Promise.resolve("second"));
  const third = hold(slots, never, () => Promise.resolve("third"));
  // Right after the place was handed on, and before the one who has it knows.
  first[Symbol.dispose]();
  leaver.abort(new Error("late"));
  await Promise.allSettled([second]);
  assert.equal(await third, "third");
  assert.equal(await hold(slots, never, () => Promise.resolve("fourth")), "fourth");
});

Deno.test("ChildSlots.take() counts a place once, however often it is given back", async () => {
  const slots = new ChildSlots(1);
  const first = await slots.take(never);
  first[Symbol.dispose]();
  const second = await slots.take(never);
  first[Symbol.dispose]();
  let third = false;
  const waiting = hold(slots, never, () => Promise.resolve(third = true));
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(third, false);
  second[Symbol.dispose]();
  assert.equal(await waiting, true);
});
