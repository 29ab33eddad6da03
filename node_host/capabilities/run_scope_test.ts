import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { RunScope } from "./run_scope.ts";

const NEVER = new Promise<never>(() => {});

Deno.test("RunScope.race() settles as the work does", async () => {
  using scope = new RunScope(new AbortController().signal, 60_000);
  assert.equal(await scope.race(Promise.resolve(7)), 7);
  await assert.rejects(scope.race(Promise.reject(new RangeError("own"))), RangeError);
  assert.equal(scope.signal.aborted, false);
});

Deno.test("RunScope.race() rejects with deadline_exceeded when the time is over", async () => {
  using scope = new RunScope(new AbortController().signal, 1);
  await assert.rejects(scope.race(NEVER), { code: "deadline_exceeded" });
  assert.equal(scope.signal.aborted, true);
});

Deno.test("RunScope is over from the start when no time is left or it is cancelled already", async () => {
  await Promise.all([0, -1, NaN].map(async (timeLeftMs) => {
    using scope = new RunScope(new AbortController().signal, timeLeftMs);
    await assert.rejects(scope.race(NEVER), { code: "deadline_exceeded" });
  }));
  using scope = new RunScope(AbortSignal.abort(), 60_000);
  await assert.rejects(scope.race(NEVER), { code: "cancelled" });
});

Deno.test("RunScope takes the longest time that the wire can carry", async () => {
  using scope = new RunScope(new AbortController().signal, 2 ** 32 - 1);
  // A timer that overflowed would be due before this one.
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(scope.signal.aborted, false);
});

Deno.test("RunScope.race() rejects with the canceller's reason, or cancelled for any other", async () => {
  const cases = [[new PalyraError("shutting_down", "bye"), "shutting_down"], ["x", "cancelled"]] as const;
  await Promise.all(cases.map(async ([reason, code]) => {
    const canceller = new AbortController();
    using scope = new RunScope(canceller.signal, 60_000);
    const raced = scope.race(NEVER);
    canceller.abort(reason);
    await assert.rejects(raced, { code });
  }));
});

Deno.test("RunScope.race() ignores work that fails after the time is over", async () => {
  const late = Promise.withResolvers<never>();
  using scope = new RunScope(AbortSignal.abort(), 60_000);
  await assert.rejects(scope.race(late.promise), { code: "cancelled" });
  late.reject(new Error("late"));
  await assert.rejects(late.promise, /late/);
});

Deno.test("RunScope leaves no listener on the cancel signal once disposed", () => {
  const canceller = new AbortController();
  const scope = new RunScope(canceller.signal, 60_000);
  scope[Symbol.dispose]();
  canceller.abort();
  assert.equal(scope.signal.aborted, false);
});
