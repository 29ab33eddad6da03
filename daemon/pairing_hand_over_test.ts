import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { APPROVE, isError, PairingBench } from "./testing/pairing_bench.ts";

const REPLACE = { ...APPROVE, replace: true };

Deno.test("PairingHandOver gives no certificate to a key that was replaced before it collected", async () => {
  await using bench = await PairingBench.open();
  const deviceId = newDeviceId();
  const early = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  await bench.desk.decide(early.request.requestId, APPROVE);
  const later = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  await bench.desk.decide(later.request.requestId, REPLACE);

  const { certificate } = await bench.desk.status(later.request.requestId);
  assert.ok(certificate);
  const replaced = await bench.desk.status(early.request.requestId);
  assert.equal(replaced.request.state, "rejected");
  assert.match(replaced.request.decisionReason ?? "", /superseded by a newer pairing/);
  assert.equal(replaced.certificate, undefined);
  assert.equal(bench.refusalOf(certificate), undefined, "the new owner's certificate stands");
});

Deno.test("PairingHandOver gives nothing to a key that is replaced while its certificate is being signed", async () => {
  await using bench = await PairingBench.open();
  const deviceId = newDeviceId();
  const early = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  await bench.desk.decide(early.request.requestId, APPROVE);
  const later = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  const [replaced] = await Promise.all([
    bench.desk.status(early.request.requestId),
    bench.desk.decide(later.request.requestId, REPLACE),
  ]);
  // Whichever was first: in the end only the newer key is let in.
  assert.ok(replaced.certificate === undefined || bench.refusalOf(replaced.certificate) === "certificate_revoked");
  const { certificate } = await bench.desk.status(later.request.requestId);
  assert.ok(certificate);
  assert.equal(bench.refusalOf(certificate), undefined);
  assert.equal((await bench.desk.status(early.request.requestId)).certificate, undefined);
});

Deno.test("PairingHandOver tells a replaced key so when it asks again for what it has collected", async () => {
  await using bench = await PairingBench.open();
  const deviceId = newDeviceId();
  const first = await bench.pair(
    (await bench.mint({ approve: true })).secretText,
    DeviceIdentity.generate(deviceId),
  );
  const second = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  await bench.desk.decide(second.request.requestId, REPLACE);
  const asked = await bench.desk.status(first.request.requestId);
  assert.deepEqual([asked.request.state, asked.certificate], ["rejected", undefined]);
  const stored = await bench.store.transaction((tx) => tx.pairing.getRequest(first.request.requestId));
  assert.equal(stored?.state, "completed", "what happened is not rewritten");
});

Deno.test("PairingHandOver rejects a device that was revoked between approval and pick-up", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  await bench.desk.decide(request.requestId, APPROVE);
  await bench.revoke(request.deviceId);
  const status = await bench.desk.status(request.requestId);
  assert.equal(status.request.state, "rejected");
  assert.match(status.request.decisionReason ?? "", /revoked/);
  assert.equal(status.certificate, undefined);
  const [stored] = await bench.desk.listRequests({ limit: 1 });
  assert.equal(stored?.state, "rejected", "for the operator to see");
  assert.deepEqual(bench.devices.certificatesOf(request.deviceId), []);
});

Deno.test("PairingHandOver knows nothing of a device that was removed between approval and pick-up", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  await bench.desk.decide(request.requestId, APPROVE);
  await bench.store.transaction((tx) => tx.devices.remove(request.deviceId));
  await assert.rejects(bench.desk.status(request.requestId), isError("pairing_not_found"));
});

Deno.test("PairingDesk ends a device's other open requests when it lets the device in, and tells those who wait", async () => {
  await using bench = await PairingBench.open();
  const device = DeviceIdentity.generate(newDeviceId());
  const { secretText: spare } = await bench.mint();
  const waiting = await bench.pair((await bench.mint()).secretText, device);
  const stranger = await bench.pair(spare, DeviceIdentity.generate(device.deviceId));
  const other = await bench.pair((await bench.mint()).secretText);
  let told = 0;
  const unwatch = bench.desk.watch(stranger.request, () => told++);

  const admitted = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  unwatch();
  assert.equal(admitted.request.state, "completed");
  assert.equal(told, 1);
  const states = new Map(
    (await bench.desk.listRequests({ limit: 10 })).map((each) => [each.requestId, [each.state, each.decisionReason]]),
  );
  const superseded = ["rejected", "superseded by a newer pairing"];
  assert.deepEqual(states.get(waiting.request.requestId), superseded);
  assert.deepEqual(states.get(stranger.request.requestId), superseded);
  assert.equal(states.get(other.request.requestId)?.[0], "pending_approval", "another device is not concerned");
  await assert.rejects(bench.desk.decide(stranger.request.requestId, REPLACE), isError("pairing_decided"));
});
