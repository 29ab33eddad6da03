import assert from "node:assert/strict";
import { unixMs } from "../../identity/unix_ms.ts";
import { isError } from "../testing/pairing_bench.ts";
import { parseBefore } from "./audit_archive_command.ts";

const NOW = unixMs(Date.UTC(2026, 2, 10, 12));

Deno.test("parseBefore() reads a date, a time, and how long ago", () => {
  const texts = ["2026-01-01", "2026-01-01T18:00Z", "2026-01-01T18:00:30+02:00", "10d", "12h", "9999999d"];
  const times = texts.map((text) => new Date(parseBefore(text, NOW)).toISOString());
  assert.deepEqual(times, [
    "2026-01-01T00:00:00.000Z",
    "2026-01-01T18:00:00.000Z",
    "2026-01-01T16:00:30.000Z",
    "2026-02-28T12:00:00.000Z",
    "2026-03-10T00:00:00.000Z",
    "1970-01-01T00:00:00.000Z",
  ]);
});

Deno.test("parseBefore() names what it takes when it cannot read it", () => {
  for (const text of ["", "2026", "2026-13-01", "2026-01-01T18:00", "1969-01-01", "yesterday", "10"]) {
    assert.throws(() => parseBefore(text, NOW), isError("invalid_argument", /--before/), text);
  }
});
