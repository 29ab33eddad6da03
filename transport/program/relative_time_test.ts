import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { durationText, relativeTime } from "./relative_time.ts";

Deno.test("durationText() picks the largest unit that says something", () => {
  const expected: readonly [number, string][] = [
    [-5, "0 ms"],
    [999.4, "999 ms"],
    [1_000, "1 s"],
    [59_400, "59 s"],
    [59_999, "1 min"],
    [60_000, "1 min"],
    [599_700, "10 min"],
    [3_599_999, "1 h"],
    [3_600_000, "1 h"],
    [47 * 3_600_000, "47 h"],
    [48 * 3_600_000, "2 d"],
  ];
  for (const [milliseconds, text] of expected) assert.equal(durationText(milliseconds), text);
});

Deno.test("relativeTime() tells past from future", () => {
  const now = unixMs(1_000_000_000);
  assert.equal(relativeTime(unixMs(now - 185_000), now), "3 min ago");
  assert.equal(relativeTime(unixMs(now + 599_700), now), "in 10 min");
  assert.equal(relativeTime(unixMs(now - 999), now), "now");
  assert.equal(relativeTime(unixMs(now + 1_000), now), "in 1 s");
});
