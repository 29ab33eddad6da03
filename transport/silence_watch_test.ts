import assert from "node:assert/strict";
import { SilenceWatch } from "./silence_watch.ts";

Deno.test("SilenceWatch calls once after silence, and not while something is heard", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let heardLast = 0;
  const watch = new SilenceWatch(resolve);
  watch.start(60);
  let words = 0;
  const talking = setInterval(() => {
    watch.heard();
    heardLast = performance.now();
    if (++words === 8) clearInterval(talking);
  }, 20);
  await promise;
  assert.equal(words, 8, "it was silent only after the last word");
  assert.ok(performance.now() - heardLast >= 59);
});

Deno.test("SilenceWatch says nothing after stop, and watches again after start", async () => {
  let calls = 0;
  const watch = new SilenceWatch(() => calls++);
  watch.start(10);
  watch.stop();
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(calls, 0);
  const { promise, resolve } = Promise.withResolvers<void>();
  const again = new SilenceWatch(resolve);
  again.start(5);
  await promise;
});

Deno.test("SilenceWatch gives a peer one more turn after the whole process was held up", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let silent = false;
  const watch = new SilenceWatch(() => {
    silent = true;
    resolve();
  });
  watch.start(50);
  // What a suspended process looks like from inside: no timer runs, then all at once.
  const until = performance.now() + 1_200;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(silent, false, "the late timer alone is no proof of silence");
  await promise;
});
