import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceRenewalAdministration } from "./device_renewal_administration.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

async function open() {
  const bench = await DaemonBench.open();
  const { store, devices, clock } = bench.pairing;
  const asked: string[] = [];
  let connected = false;
  const renewals = new DeviceRenewalAdministration({
    store,
    devices,
    clock,
    sessions: {
      askForRenewal: (deviceId) => {
        if (connected) asked.push(deviceId);
        return connected;
      },
    },
  });
  const device = await bench.pairedNode("laptop");
  const put = async (record: DeviceRecord) => {
    await store.transaction((tx) => tx.devices.put(record));
    devices.putDevice(record);
  };
  const newest = async () => {
    const { events } = await store.transaction((tx) => tx.events.read(device.deviceId, 0, 100));
    const audit = await store.transaction((tx) => tx.audit.read({ after: 0, limit: 100 }));
    return { event: events.at(-1), audit: audit.at(-1) };
  };
  return {
    bench,
    renewals,
    device,
    asked,
    put,
    newest,
    now: () => devices.get(device.deviceId),
    connect: () => connected = true,
  };
}

Deno.test("DeviceRenewalAdministration.rotate() asks a node that is connected, and notes it for one that is not", async () => {
  const { bench, renewals, device, asked, newest, now, connect } = await open();
  await using _ = bench;
  assert.equal(await renewals.rotate(device.deviceId, "owner"), false);
  assert.equal(now()?.rotationAskedAt, bench.pairing.now);
  const told = await newest();
  assert.deepEqual([told.event?.name, told.event?.payload], ["device.rotation_asked", { asked_by: "owner" }]);
  assert.deepEqual([told.audit?.kind, told.audit?.actor], ["device.rotation_asked", "owner"]);
  connect();
  assert.equal(await renewals.rotate(device.deviceId, "owner"), true);
  assert.deepEqual(asked, [device.deviceId]);
  await assert.rejects(renewals.rotate(newDeviceId(), "owner"), isError("device_not_found"));
  const operator = await bench.localOperator();
  await assert.rejects(renewals.rotate(operator.device.deviceId, "owner"), isError("device_mismatch"));
});

Deno.test("DeviceRenewalAdministration.setRecovery() allows, forbids and acknowledges, and tells of each change once", async () => {
  const { bench, renewals, device, put, newest, now } = await open();
  await using _ = bench;
  const decide = (allowed: boolean | undefined, acknowledgeAlarm = false) =>
    renewals.setRecovery(device.deviceId, { allowed, acknowledgeAlarm }, "owner");
  const before = await newest();
  await decide(true, true);
  assert.deepEqual(await newest(), before, "nothing was to be done");
  await decide(false);
  assert.equal(now()?.recoveryAllowed, false);
  assert.deepEqual((await newest()).event?.payload, { allowed: false, set_by: "owner" });
  await put({ ...device, recoveryAllowed: false, recoveryAlarm: "two places" });
  await decide(undefined, true);
  assert.equal(now()?.recoveryAlarm, undefined);
  assert.equal(now()?.recoveryAllowed, false);
  const told = await newest();
  assert.equal(told.event?.name, "device.recovery_alarm_acknowledged");
  assert.equal(told.audit?.kind, "device.recovery_alarm_acknowledged");
  await decide(true);
  assert.equal(now()?.recoveryAllowed, true);
  const operator = await bench.localOperator();
  const allow = { allowed: true, acknowledgeAlarm: false };
  await assert.rejects(
    renewals.setRecovery(operator.device.deviceId, allow, "owner"),
    isError("invalid_argument"),
  );
});

Deno.test("DeviceRenewalAdministration changes nothing about a device that is revoked", async () => {
  const { bench, renewals, device, now } = await open();
  await using _ = bench;
  await bench.administration.revoke(device.deviceId, "stolen", "owner");
  const revoked = now();
  await assert.rejects(renewals.rotate(device.deviceId, "owner"), isError("device_revoked"));
  const decision = { allowed: false, acknowledgeAlarm: false };
  await assert.rejects(renewals.setRecovery(device.deviceId, decision, "owner"), isError("device_revoked"));
  assert.deepEqual(now(), revoked);
});
