import assert from "node:assert/strict";
import { SourceRateLimit } from "./source_rate_limit.ts";
import { unixMs } from "./unix_ms.ts";

Deno.test("SourceRateLimit.tryStart() refuses beyond its share and allows again when the window has moved on", () => {
  let now = unixMs(1_000_000);
  const limit = new SourceRateLimit({ starts: 2, windowMs: 1_000, sources: 10 }, () => now);
  assert.ok(limit.tryStart("a"));
  now = unixMs(now + 500);
  assert.ok(limit.tryStart("a"));
  assert.ok(!limit.tryStart("a"));
  assert.ok(limit.tryStart("b"), "sources do not share");
  now = unixMs(now + 499);
  assert.ok(!limit.tryStart("a"));
  now = unixMs(now + 1);
  assert.ok(limit.tryStart("a"), "the first start has left the window, and refused ones did not count");
  assert.ok(!limit.tryStart("a"));
});

Deno.test("SourceRateLimit.isSpent() tells who would be refused now, and counts nothing", () => {
  let now = 0;
  const limit = new SourceRateLimit({ starts: 2, windowMs: 100, sources: 10 }, () => unixMs(now));
  assert.deepEqual([limit.isSpent("a"), limit.isSpent("a"), limit.isSpent("a")], [false, false, false]);
  assert.ok(limit.tryStart("a") && limit.tryStart("a"));
  assert.deepEqual([limit.isSpent("a"), limit.isSpent("b")], [true, false]);
  now = 100;
  assert.equal(limit.isSpent("a"), false);
});

Deno.test("SourceRateLimit.tryStart() forgets the source that was quiet the longest when there are too many", () => {
  const now = unixMs(1_000_000);
  const limit = new SourceRateLimit({ starts: 1, windowMs: 1_000, sources: 2 }, () => now);
  assert.ok(limit.tryStart("a"));
  assert.ok(limit.tryStart("b"));
  assert.ok(limit.tryStart("c"));
  assert.ok(!limit.tryStart("c"));
  assert.ok(!limit.tryStart("b"));
  assert.ok(limit.tryStart("a"));
});

Deno.test("SourceRateLimit keeps nobody out until a time that a wrong clock has shown", () => {
  let now = unixMs(10_000_000);
  const limit = new SourceRateLimit({ starts: 1, windowMs: 1_000, sources: 10 }, () => now);
  assert.ok(limit.tryStart("a"));
  now = unixMs(1_000_000);
  assert.ok(!limit.isSpent("a"));
  assert.ok(limit.tryStart("a"));
  assert.ok(!limit.tryStart("a"));
});
