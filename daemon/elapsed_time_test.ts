import assert from "node:assert/strict";
import { elapsedTime } from "./elapsed_time.ts";

Deno.test("elapsedTime() goes on while the machine sleeps, and never back", () => {
  let [awakeMs, uptimeMs] = [500, 1_000_900];
  const elapsed = elapsedTime(() => awakeMs, () => Math.floor(uptimeMs / 1_000));
  const pass = (ms: number, sleptMs: number) => {
    awakeMs += ms;
    uptimeMs += ms + sleptMs;
    return elapsed();
  };
  assert.equal(elapsed(), 500);
  assert.equal(pass(1_200, 0), 1_700, "the grain of the uptime is not sleep");
  const hourMs = 3_600_000;
  const woken = pass(1_000, hourMs);
  assert.ok(Math.abs(woken - 2_700 - hourMs) <= 1_000, `${woken}`);
  assert.equal(pass(10, 0), woken + 10);
  const again = pass(5_000, hourMs);
  assert.ok(Math.abs(again - 7_710 - 2 * hourMs) <= 1_000, `${again}`);
});

Deno.test("elapsedTime() follows the process where the machine's uptime is not to be had", () => {
  let awakeMs = 5;
  const elapsed = elapsedTime(() => awakeMs, undefined);
  awakeMs = 4_000;
  assert.equal(elapsed(), 4_000);
});

Deno.test("elapsedTime() runs by the machine's own clocks", () => {
  const elapsed = elapsedTime();
  const first = elapsed();
  assert.ok(elapsed() >= first && first > 0);
});
