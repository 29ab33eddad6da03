import assert from "node:assert/strict";
import { PeriodicCheck } from "./periodic_check.ts";

Deno.test("PeriodicCheck checks again and again, never twice at a time; stop() waits for the last", async () => {
  let begun = 0;
  let atOnce = 0;
  const third = Promise.withResolvers<void>();
  const check = new PeriodicCheck(async () => {
    atOnce += 1;
    assert.equal(atOnce, 1);
    if (++begun === 3) third.resolve();
    // Longer than the interval.
    await new Promise((resolve) => setTimeout(resolve, 5));
    atOnce -= 1;
  }, 1);
  await third.promise;
  await check.stop();
  // Deno's sanitizer sees to it that no timer is left.
  assert.equal(atOnce, 0, "the one under way was waited for");
});
