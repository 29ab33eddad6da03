import assert from "node:assert/strict";
import { RequestCounters } from "./request_counters.ts";

Deno.test("RequestCounters begins with every final state at zero and counts from there", () => {
  const counters = new RequestCounters();
  counters.countDispatch();
  counters.countDispatch();
  counters.countEnd("succeeded");
  counters.countEnd("lost");
  counters.countEnd("lost");
  counters.countEnd("running");
  assert.equal(counters.dispatched, 2);
  assert.deepEqual(Object.fromEntries(counters.endedByState), {
    succeeded: 1,
    failed: 0,
    timed_out: 0,
    rejected: 0,
    cancelled: 0,
    lost: 2,
  });
});
