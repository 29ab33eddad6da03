import assert from "node:assert/strict";
import { newConnectionId } from "./connection_id.ts";
import { RetryTokens } from "./retry_token.ts";

const CLIENT = { host: "192.0.2.7", port: 4_000 };

function issued() {
  let now = 1_000;
  const tokens = new RetryTokens(() => now);
  const originalId = newConnectionId();
  const retryId = newConnectionId();
  const token = tokens.issue(CLIENT, originalId, retryId);
  return { tokens, originalId, retryId, token, pass: (ms: number) => now += ms };
}

Deno.test("RetryTokens gives back the original connection id to who comes back from the same address in time", () => {
  const { tokens, token, retryId, originalId, pass } = issued();
  pass(10_000);
  assert.deepEqual(tokens.redeem(token, CLIENT, retryId), originalId);
});

Deno.test("RetryTokens takes a token once", () => {
  const { tokens, token, retryId } = issued();
  assert.notEqual(tokens.redeem(token, CLIENT, retryId), undefined);
  assert.equal(tokens.redeem(token, CLIENT, retryId), undefined);
});

Deno.test("RetryTokens takes no token after ten seconds", () => {
  const { tokens, token, retryId, pass } = issued();
  pass(10_001);
  assert.equal(tokens.redeem(token, CLIENT, retryId), undefined);
});

Deno.test("RetryTokens takes no token from another address, another port or for another connection id", () => {
  const { tokens, token, retryId, originalId } = issued();
  assert.equal(tokens.redeem(token, { ...CLIENT, host: "192.0.2.8" }, retryId), undefined);
  assert.equal(tokens.redeem(token, { ...CLIENT, port: 4_001 }, retryId), undefined);
  assert.equal(tokens.redeem(token, CLIENT, newConnectionId()), undefined);
  // None of these has spent it.
  assert.deepEqual(tokens.redeem(token, CLIENT, retryId), originalId);
});

Deno.test("RetryTokens takes no token of another daemon, nor of this one before its restart", () => {
  const { token, retryId } = issued();
  assert.equal(new RetryTokens(() => 1_000).redeem(token, CLIENT, retryId), undefined);
});

Deno.test("RetryTokens takes no token with any bit changed, cut off anywhere, or with more at its end", () => {
  const { tokens, token, retryId, originalId } = issued();
  for (let bit = 0; bit < token.length * 8; bit++) {
    const changed = token.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ 1 << (bit & 7);
    assert.equal(tokens.redeem(changed, CLIENT, retryId), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < token.length; length++) {
    assert.equal(tokens.redeem(token.subarray(0, length), CLIENT, retryId), undefined, `length ${length}`);
  }
  assert.equal(tokens.redeem(Uint8Array.of(...token, 0), CLIENT, retryId), undefined);
  assert.deepEqual(tokens.redeem(token, CLIENT, retryId), originalId);
});

Deno.test("RetryTokens remembers so many used tokens, and lets nobody keep the others out by using more", () => {
  const tokens = new RetryTokens(() => 1_000);
  const fresh = () => {
    const retryId = newConnectionId();
    const token = tokens.issue(CLIENT, newConnectionId(), retryId);
    return () => tokens.redeem(token, CLIENT, retryId);
  };
  const first = fresh();
  assert.notEqual(first(), undefined);
  for (let count = 1; count < 16_384; count++) assert.notEqual(fresh()(), undefined);
  assert.equal(first(), undefined, "still remembered");
  assert.notEqual(fresh()(), undefined);
  assert.notEqual(first(), undefined, "the oldest has made room");
});
