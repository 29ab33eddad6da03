import assert from "node:assert/strict";
import { HandshakeRateLimiter } from "./handshake_rate_limiter.ts";

function limiter(burst: number, perSecond: number) {
  let now = 0;
  const rate = new HandshakeRateLimiter({ burst, perSecond }, () => now);
  return { rate, pass: (ms: number) => now += ms };
}

Deno.test("HandshakeRateLimiter lets a burst through, and then one for each share of a second", () => {
  const { rate, pass } = limiter(3, 2);
  assert.deepEqual(Array.from({ length: 4 }, () => rate.allows("a")), [true, true, true, false]);
  pass(499);
  assert.equal(rate.allows("a"), false);
  pass(1);
  assert.equal(rate.allows("a"), true);
  assert.equal(rate.allows("a"), false);
});

Deno.test("HandshakeRateLimiter never saves up more than one burst", () => {
  const { rate, pass } = limiter(3, 2);
  rate.allows("a");
  pass(3_600_000);
  assert.deepEqual(Array.from({ length: 4 }, () => rate.allows("a")), [true, true, true, false]);
});

Deno.test("HandshakeRateLimiter counts each source for itself", () => {
  const { rate } = limiter(1, 1);
  assert.equal(rate.allows("a"), true);
  assert.equal(rate.allows("a"), false);
  assert.equal(rate.allows("b"), true);
});

Deno.test("HandshakeRateLimiter remembers 4,096 sources, and forgets the one it heard of longest ago", () => {
  const { rate } = limiter(1, 1);
  rate.allows("first");
  rate.allows("second");
  for (let source = 2; source < 4_096; source++) rate.allows(`${source}`);
  // Refused, and by that heard of again.
  assert.equal(rate.allows("first"), false);
  rate.allows("one more");
  assert.equal(rate.allows("first"), false);
  assert.equal(rate.allows("second"), true);
});
