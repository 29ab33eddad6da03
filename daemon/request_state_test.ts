import assert from "node:assert/strict";
import { hasEnded, isInFlight, mayBecome, REQUEST_STATES } from "./request_state.ts";

Deno.test("a request that has ended never changes again", () => {
  const ended = REQUEST_STATES.filter(hasEnded);
  assert.deepEqual(ended, ["succeeded", "failed", "timed_out", "rejected", "cancelled", "lost"]);
  for (const from of ended) {
    for (const to of REQUEST_STATES) assert.equal(mayBecome(from, to), false, `${from} to ${to}`);
  }
});

Deno.test("only a dispatched request can succeed, fail or be lost; a queued one can end without running", () => {
  for (const to of ["succeeded", "failed", "lost", "running"] as const) assert.equal(mayBecome("queued", to), false);
  for (const to of ["timed_out", "cancelled", "rejected", "dispatched"] as const) {
    assert.equal(mayBecome("queued", to), true);
  }
});

Deno.test("whatever is in flight can end in every way and go back into the queue", () => {
  for (const from of REQUEST_STATES.filter(isInFlight)) {
    for (const to of [...REQUEST_STATES.filter(hasEnded), "queued"] as const) {
      assert.equal(mayBecome(from, to), true, `${from} to ${to}`);
    }
  }
});
