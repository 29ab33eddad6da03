import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import fc from "fast-check";
import { ReconnectBackoff } from "./reconnect_backoff.ts";

const ALMOST_ONE = 1 - Number.EPSILON;

Deno.test("nextDelayMs() doubles its bound from 0.5 s to 30 s and stays there", () => {
  const backoff = new ReconnectBackoff({ random: () => ALMOST_ONE });
  const delays = Array.from({ length: 9 }, () => backoff.nextDelayMs());
  assert.deepEqual(delays, [499, 999, 1_999, 3_999, 7_999, 15_999, 29_999, 29_999, 29_999]);
  for (let attempt = 0; attempt < 10_000; attempt++) backoff.nextDelayMs();
  assert.equal(backoff.nextDelayMs(), 29_999);
});

Deno.test("nextDelayMs() takes any point between nothing and the bound", () => {
  fc.assert(fc.property(fc.array(fc.double({ min: 0, max: ALMOST_ONE, noNaN: true })), (points) => {
    let drawn = 0;
    const backoff = new ReconnectBackoff({ random: () => points[drawn++] ?? 0 });
    points.forEach((point, attempt) => {
      assert.equal(backoff.nextDelayMs(), Math.floor(point * Math.min(30_000, 500 * 2 ** attempt)));
    });
  }));
});

Deno.test("sessionEnded() starts anew only when the session lasted", () => {
  const backoff = new ReconnectBackoff({ random: () => 0.5 });
  for (let attempt = 0; attempt < 10; attempt++) backoff.nextDelayMs();
  backoff.sessionEnded(29_999);
  assert.equal(backoff.nextDelayMs(), 15_000);
  backoff.sessionEnded(30_000);
  assert.equal(backoff.nextDelayMs(), 250);
});

Deno.test("wait() resolves after its delay and leaves no listener behind", async () => {
  const { signal } = new AbortController();
  const waiting = new ReconnectBackoff({ random: () => 0 }).wait(signal);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  await waiting;
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

Deno.test("wait() rejects with the reason when the signal aborts before or meanwhile", async () => {
  const backoff = new ReconnectBackoff({ baseMs: 1_000_000, maxMs: 1_000_000, random: () => 0.9 });
  const controller = new AbortController();
  const waiting = backoff.wait(controller.signal);
  const reason = new Error("stop");
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(backoff.wait(controller.signal), reason);
});
