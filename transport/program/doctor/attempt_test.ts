import assert from "node:assert/strict";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { attempt } from "./attempt.ts";

Deno.test("attempt() keeps what comes of the work, whatever it is", async () => {
  const { signal } = new AbortController();
  assert.deepEqual(await attempt(() => Promise.resolve(7), signal), { value: 7 });
  const failure = new PalyraError("state_damaged", "It is damaged.");
  assert.deepEqual(await attempt(() => Promise.reject(failure), signal), { failure });
  const thrown = await attempt(() => {
    throw new TypeError("no");
  }, signal);
  assert.equal(thrown.failure?.code, "internal");
});

Deno.test("attempt() gives up what has not ended when the time is over", async () => {
  const time = new AbortController();
  const stuck = attempt(() => new Promise(() => {}), time.signal);
  time.abort();
  assert.equal((await stuck).failure?.code, "deadline_exceeded");
  assert.equal((await attempt(() => new Promise(() => {}), time.signal)).failure?.code, "deadline_exceeded");
});
