import assert from "node:assert/strict";
import { nearestName } from "./nearest_name.ts";

Deno.test("nearestName() finds what was meant", () => {
  const keys = ["node_rpc.port", "quic.port", "log.level", "log.format"];
  assert.equal(nearestName("node_rpc.prot", keys), "node_rpc.port");
  assert.equal(nearestName("quick.port", keys), "quic.port");
  assert.equal(nearestName("log.lvel", keys), "log.level");
  assert.equal(nearestName("", keys), "quic.port");
  assert.equal(nearestName("x", []), undefined);
});

Deno.test("nearestName() counts a swap as one edit", () => {
  assert.equal(nearestName("ab", ["cb", "ba"]), "cb");
  assert.equal(nearestName("abcd", ["xycd", "bacd"]), "bacd");
});

Deno.test("nearestName() stays quick for a text without end", () => {
  assert.equal(nearestName("x".repeat(10_000_000), ["a", "x".repeat(200)]), "x".repeat(200));
});
