import assert from "node:assert/strict";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { MAX_PROGRESS_BYTES, MIN_PROGRESS_INTERVAL_MS, ProgressReporter } from "./progress_reporter.ts";

function reporterAt(start: UnixMs) {
  const sent: string[] = [];
  const time = { now: start };
  const reporter = new ProgressReporter((bytes) => sent.push(new TextDecoder().decode(bytes)), () => time.now);
  return { reporter, sent, time };
}

Deno.test("ProgressReporter.report() sends JSON and drops what comes too soon", () => {
  const { reporter, sent, time } = reporterAt(unixMs(1_000));
  reporter.report({ percent: 1 });
  time.now = unixMs(1_000 + MIN_PROGRESS_INTERVAL_MS - 1);
  reporter.report({ percent: 2 });
  time.now = unixMs(1_000 + MIN_PROGRESS_INTERVAL_MS);
  reporter.report({ percent: 3 });
  assert.deepEqual(sent, ['{"percent":1}', '{"percent":3}']);
});

Deno.test("ProgressReporter.report() goes on when the clock is set back", () => {
  const { reporter, sent, time } = reporterAt(unixMs(1_000_000));
  reporter.report(1);
  time.now = unixMs(5_000);
  reporter.report(2);
  assert.deepEqual(sent, ["1", "2"]);
});

Deno.test("ProgressReporter.report() throws for what is no JSON or too large, and sends nothing", () => {
  const { reporter, sent } = reporterAt(unixMs(0));
  assert.throws(() => reporter.report(undefined), TypeError);
  assert.throws(() => reporter.report(1n), TypeError);
  assert.throws(() => reporter.report("x".repeat(MAX_PROGRESS_BYTES - 1)), /at most 16384 bytes, not 16385/);
  assert.deepEqual(sent, []);
  reporter.report("x".repeat(MAX_PROGRESS_BYTES - 2));
  assert.equal(sent.length, 1);
});

Deno.test("ProgressReporter.end() silences it", () => {
  const { reporter, sent } = reporterAt(unixMs(0));
  reporter.end();
  reporter.report(1);
  assert.deepEqual(sent, []);
});
