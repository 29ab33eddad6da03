import assert from "node:assert/strict";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { ok } from "./finding.ts";
import { runChecks } from "./run_checks.ts";

Deno.test("runChecks() runs checks side by side and keeps their order", async () => {
  const first = Promise.withResolvers<void>();
  const results = await runChecks([
    { name: "one", subject: "a:1", examine: () => first.promise.then(() => ok("One.")) },
    {
      name: "two",
      examine: () => {
        first.resolve();
        return ok("Two.");
      },
    },
  ], new AbortController().signal);
  assert.deepEqual(results, [
    { name: "one", subject: "a:1", finding: { outcome: "ok", seen: "One." } },
    { name: "two", finding: { outcome: "ok", seen: "Two." } },
  ]);
});

Deno.test("runChecks() makes a failed check of a rejection, with its cause and its cure", async () => {
  const [result] = await runChecks([{
    name: "one",
    examine: () => Promise.reject(new PalyraError("listen_failed", "The port is in use. Choose another one.")),
  }], new AbortController().signal);
  assert.deepEqual(result?.finding, {
    outcome: "failed",
    code: "listen_failed",
    seen: "The port is in use.",
    cure: "Choose another one.",
  });
});

Deno.test("runChecks() gives up a check that has not ended when the time is over", async () => {
  const time = new AbortController();
  const results = runChecks([
    { name: "stuck", examine: () => new Promise(() => {}) },
    { name: "quick", examine: () => ok("Quick.") },
  ], time.signal);
  // After every microtask, and so after all that could end by itself.
  setTimeout(() => time.abort(), 0);
  assert.deepEqual((await results).map(({ finding }) => finding.outcome), ["failed", "ok"]);
});
