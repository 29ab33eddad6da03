import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { NodeSessionBench } from "./testing/node_session_bench.ts";

Deno.test("NodeSessionServer sends welcomed nodes other CAs, and knows which each has said that it trusts", async () => {
  await using bench = await NodeSessionBench.open();
  const { server, deviceId } = bench;
  const [old, next] = [1, 2].map((byte) => fingerprintOf(new Uint8Array([byte])));
  assert.ok(old && next);
  assert.deepEqual(server.connectedDevices, []);
  const greeting = bench.accept();
  bench.trustBundlePem = "old";
  server.pushTrustBundle();
  assert.deepEqual(greeting.cases, [], "its Welcome tells it");
  greeting.say(bench.hello({ trustedCaFingerprints: [old] }));
  await greeting.until("welcome");
  assert.deepEqual(server.connectedDevices, [deviceId]);
  assert.deepEqual([server.trusts(deviceId, old), server.trusts(deviceId, next)], [true, false]);

  bench.trustBundlePem = "old and next";
  server.pushTrustBundle();
  assert.deepEqual(greeting.sent.at(-1)?.message, { $case: "trustBundle", value: { pem: "old and next" } });
  greeting.say({ $case: "trustBundleStored", value: { caFingerprints: [old, next] } });
  assert.deepEqual([server.trusts(deviceId, old), server.trusts(deviceId, next)], [true, true]);
  assert.equal(server.trusts(newDeviceId(), next), false);

  greeting.say({ $case: "trustBundleStored", value: { caFingerprints: ["not a fingerprint"] } });
  assert.equal(greeting.code, "invalid_argument");
  assert.deepEqual(server.connectedDevices, []);
  server.pushTrustBundle();
  assert.deepEqual(greeting.late, []);
});

Deno.test("NodeSessionServer asks who comes with a certificate of an earlier CA for another one, after the Welcome", async () => {
  await using bench = await NodeSessionBench.open();
  const first = await bench.welcomed();
  assert.deepEqual(first.cases, ["welcome"]);
  bench.issuer = fingerprintOf(new Uint8Array([1]));
  const second = await bench.welcomed();
  assert.deepEqual(second.cases, ["welcome", "renewCertificate"]);
});

Deno.test("NodeSessionServer refuses a Hello that names more CAs than a daemon can have", async () => {
  await using bench = await NodeSessionBench.open();
  const session = bench.accept();
  const trustedCaFingerprints = Array.from({ length: 17 }, () => fingerprintOf(new Uint8Array()));
  session.say(bench.hello({ trustedCaFingerprints }));
  await session.until("welcome");
  assert.equal(session.code, "invalid_argument");
});
