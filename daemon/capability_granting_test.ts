import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CapabilityGranting } from "./capability_granting.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { TestSession } from "./testing/node_session_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

function grantingOf({ pairing: { store, devices, clock }, queue }: DaemonBench): CapabilityGranting {
  return new CapabilityGranting({ store, devices, queue, clock });
}

Deno.test("CapabilityGranting.change() is in store, registry, audit and event log, or in none of them", async () => {
  await using bench = await DaemonBench.open();
  const { store, devices, folder } = bench.pairing;
  const { deviceId } = await bench.pairedNode("laptop");
  const granting = grantingOf(bench);
  const change = () => granting.change(deviceId, { grant: ["files.read"], deny: ["echo"] }, "owner");
  const standing = async () =>
    await store.transaction(async (tx) => ({
      device: await tx.devices.get(deviceId),
      events: (await tx.events.read(deviceId, 0, 100)).events.filter(({ name }) => name === "capabilities.decided"),
      records: (await tx.audit.read({ after: 0, limit: 1_000 })).filter(({ kind }) => kind === "capabilities.decided"),
    }));
  using db = new DatabaseSync(join(folder, "palyrad.sqlite"));
  db.exec("CREATE TRIGGER no_audit BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no room'); END");
  await assert.rejects(change());
  const before = await standing();
  assert.deepEqual([before.device?.grantedCapabilities, before.device?.deniedCapabilities], [["echo"], []]);
  assert.deepEqual([before.events.length, before.records.length], [0, 0]);
  assert.deepEqual(devices.get(deviceId)?.grantedCapabilities, ["echo"]);
  db.exec("DROP TRIGGER no_audit");

  await change();
  await change();
  const after = await standing();
  assert.deepEqual([after.device?.grantedCapabilities, after.device?.deniedCapabilities], [["files.read"], ["echo"]]);
  assert.deepEqual(devices.get(deviceId), after.device);
  assert.deepEqual(after.events.map(({ payload }) => payload), [
    { granted: ["files.read"], denied: ["echo"], decided_by: "owner" },
  ]);
  assert.deepEqual(after.records.map(({ actor, subject }) => [actor, subject]), [["owner", deviceId]]);
});

Deno.test("CapabilityGranting.change() loses none of many changes that come at once", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  const granting = grantingOf(bench);
  const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
  await Promise.all(names.map((name, index) => {
    const [grant, deny] = index % 2 === 0 ? [[name], []] : [[], [name]];
    return granting.change(deviceId, { grant, deny }, "owner");
  }));
  const device = bench.pairing.devices.get(deviceId);
  assert.deepEqual(
    device?.grantedCapabilities.toSorted(),
    ["echo", ...names.filter((_, at) => at % 2 === 0)].toSorted(),
  );
  assert.deepEqual(device?.deniedCapabilities.toSorted(), names.filter((_, at) => at % 2 === 1).toSorted());
});

Deno.test("CapabilityGranting.change() refuses a device that is gone", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  await bench.administration.remove(deviceId, "", "owner");
  await assert.rejects(
    grantingOf(bench).change(deviceId, { grant: ["echo"], deny: [] }, "owner"),
    isError("device_not_found"),
  );
});

Deno.test("CapabilityGranting.change() stands when the node's session ends a rotation in the same moment", async () => {
  await using bench = await DaemonBench.open();
  const { store, devices } = bench.pairing;
  const device = await bench.pairedNode("laptop");
  const { deviceId } = device;
  const [certificate] = devices.certificatesOf(deviceId);
  assert.ok(certificate);
  const asked = { ...device, rotationAskedAt: certificate.issuedAt };
  await store.transaction((tx) => tx.devices.put(asked));
  devices.putDevice(asked);
  const registration = { platform: "", deviceName: "", softwareVersion: "", capabilities: [] };
  const session = new TestSession({ fingerprint: certificate.fingerprint, der: new Uint8Array() });
  await Promise.all([
    bench.runtime.openSession(deviceId, registration, session).then((opened) => bench.runtime.sessionTookOver(opened)),
    grantingOf(bench).change(deviceId, { grant: [], deny: ["echo"] }, "owner"),
  ]);
  const stored = await store.transaction((tx) => tx.devices.get(deviceId));
  assert.deepEqual([stored?.deniedCapabilities, stored?.rotationAskedAt], [["echo"], undefined]);
  assert.deepEqual(devices.get(deviceId), stored);
});
