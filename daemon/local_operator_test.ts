import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { admitLocalOperator, isLocalOperator, OPERATOR_DEVICE_ID_SECRET } from "./local_operator.ts";
import { PairingBench } from "./testing/pairing_bench.ts";

async function admitted(bench: PairingBench) {
  const { store, secrets, devices, clock } = bench;
  return await admitLocalOperator({ store, secrets, devices, clock }, await TlsKey.generate());
}

async function storedId(bench: PairingBench): Promise<string> {
  return new TextDecoder().decode(await bench.secrets.read(OPERATOR_DEVICE_ID_SECRET));
}

Deno.test("admitLocalOperator() makes one operator and knows it again by the id among the secrets", async () => {
  await using bench = await PairingBench.open();
  const first = await admitted(bench);
  assert.equal(await storedId(bench), first.deviceId);
  assert.ok(isLocalOperator(first));
  assert.deepEqual(await admitted(bench), first);
  assert.deepEqual(await bench.store.transaction((tx) => tx.devices.list()), [first]);
});

Deno.test("admitLocalOperator() is not taken in by a device that calls itself the local operator", async () => {
  await using bench = await PairingBench.open();
  const code = await bench.mint({ clientKind: "cli", approve: true, issuedBy: "palyrad" });
  const device = DeviceIdentity.generate(newDeviceId());
  const challenge = await bench.begin(code.secretText, "cli");
  const attempt = await bench.answer(challenge, code.secretText, device, {
    clientKind: "cli",
    deviceName: "local operator",
  });
  const { request } = await bench.desk.complete(attempt.completion, "192.0.2.7:50000");
  const impostor = bench.devices.get(request.deviceId);
  assert.ok(impostor);
  assert.equal(`${impostor.approvedBy} ${impostor.deviceName}`, "palyrad local operator");
  assert.ok(!isLocalOperator(impostor));
  assert.notEqual((await admitted(bench)).deviceId, impostor.deviceId);
});

Deno.test("admitLocalOperator() makes a new one when the old one was revoked or its id given away, and the same when it was removed", async () => {
  await using bench = await PairingBench.open();
  const first = await admitted(bench);
  await bench.revoke(first.deviceId);
  const revoked = await bench.store.transaction((tx) => tx.devices.get(first.deviceId));
  assert.ok(revoked);
  bench.devices.putDevice(revoked);
  const second = await admitted(bench);
  assert.notEqual(second.deviceId, first.deviceId);
  assert.equal(await storedId(bench), second.deviceId);

  const taken = { ...second, publicKey: DeviceIdentity.generate(second.deviceId).publicKey };
  await bench.store.transaction((tx) => tx.devices.put(taken));
  bench.devices.putDevice(taken);
  const third = await admitted(bench);
  assert.notEqual(third.deviceId, second.deviceId);

  await bench.store.transaction((tx) => tx.devices.remove(third.deviceId));
  bench.devices.removeDevice(third.deviceId);
  assert.equal((await admitted(bench)).deviceId, third.deviceId);
});

Deno.test("admitLocalOperator() makes a new one when the stored id is none", async () => {
  await using bench = await PairingBench.open();
  await bench.secrets.write(OPERATOR_DEVICE_ID_SECRET, new TextEncoder().encode("no id"));
  const { deviceId } = await admitted(bench);
  assert.equal(await storedId(bench), deviceId);
});
