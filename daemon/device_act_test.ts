import assert from "node:assert/strict";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { type DeviceId, newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { renewOperatorCredentials } from "./operator_credentials.ts";
import type { Store } from "./store/store.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { APPROVE, PairingBench } from "./testing/pairing_bench.ts";

/** What was logged of a device after event `after`, by name. */
async function logged(store: Store, deviceId: DeviceId, after = 0): Promise<(readonly [string, unknown])[]> {
  const { events } = await store.transaction((tx) => tx.events.read(deviceId, after, 100));
  return events.map(({ name, payload }) => [name, payload]);
}

Deno.test("A device's log tells that it was approved, and then of its certificate", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  assert.deepEqual(await logged(bench.store, request.deviceId), [], "nobody has let it in");
  await bench.desk.decide(request.requestId, APPROVE);
  const { certificate } = await bench.desk.status(request.requestId);
  await bench.desk.status(request.requestId);
  assert.deepEqual(await logged(bench.store, request.deviceId), [
    ["device.paired", {
      client_kind: "node",
      device_name: "laptop",
      approved_by: "operator",
      granted_capabilities: ["echo"],
      replaced_key: false,
    }],
    ["certificate.issued", {
      fingerprint: certificate?.fingerprint,
      expires_at_unix_ms: certificate?.expiresAt,
    }],
  ]);
});

Deno.test("A device's log tells nothing of a request that was rejected", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  await bench.desk.decide(request.requestId, { ...APPROVE, approve: false });
  assert.deepEqual(await logged(bench.store, request.deviceId), []);
});

Deno.test("A device's log tells that another key took it over, and of the certificate that this ended", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ approve: true });
  const first = await bench.pair(secretText);
  const { deviceId } = first.request;
  const second = await bench.pair((await bench.mint()).secretText, DeviceIdentity.generate(deviceId));
  await bench.desk.decide(second.request.requestId, { ...APPROVE, replace: true });
  await bench.desk.status(second.request.requestId);
  const events = await logged(bench.store, deviceId, 2);
  assert.deepEqual(events.map(([name]) => name), ["device.paired", "certificate.revoked", "certificate.issued"]);
  assert.deepEqual(events[1]?.[1], {
    fingerprint: first.certificate?.fingerprint,
    reason: "superseded by a newer pairing",
  });
});

Deno.test("A device's log tells of a renewal, of a notice and of the revocation, and ends with the device", async () => {
  await using bench = await DaemonBench.open();
  const { store } = bench.pairing;
  const device = await bench.pairedNode("laptop");
  const { deviceId } = device;
  const csrDer = await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() });
  const renewed = await bench.issuer.rotate(device, csrDer);
  await bench.events.publish(deviceId, { name: "notice.backup.due", payload: { by: "18:00" } });
  await bench.administration.revoke(deviceId, "stolen", "owner");
  await bench.administration.revoke(deviceId, "again", "owner");
  assert.deepEqual(await logged(store, deviceId, 2), [
    ["certificate.renewed", { fingerprint: renewed.fingerprint, expires_at_unix_ms: renewed.expiresAt }],
    ["notice.backup.due", { by: "18:00" }],
    ["device.revoked", { reason: "stolen", revoked_by: "owner" }],
  ]);
  await bench.administration.remove(deviceId, "", "owner");
  assert.deepEqual(await logged(store, deviceId), []);
});

Deno.test("The local operator's log tells of its certificates as they are renewed", async () => {
  await using bench = await DaemonBench.open();
  const { pairing, issuer } = bench;
  const { store, secrets, devices, identity, clock } = pairing;
  for (let renewal = 0; renewal < 3; renewal++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await renewOperatorCredentials({ store, secrets, devices, identity, issuer, clock });
    // A reason to renew while all of them are still valid.
    // deno-lint-ignore no-await-in-loop -- one after the other
    await secrets.write("operator-key.pem", new TextEncoder().encode("lost"));
  }
  const [operator] = devices.list();
  assert.ok(operator);
  const names = (await logged(store, operator.deviceId)).map(([name]) => name);
  const issued = "certificate.issued";
  assert.deepEqual(names, [issued, issued, issued, "certificate.revoked"]);
});

Deno.test("Nothing is logged of an act that failed", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText);
  const device = bench.devices.get(request.deviceId);
  assert.ok(device);
  await assert.rejects(bench.store.transaction(async (tx) => {
    await tx.events.append(
      device.deviceId,
      { name: "device.revoked", payload: { reason: "", revoked_by: "" } },
      bench.now,
    );
    await tx.devices.put({ ...device, status: "revoked" });
    await tx.events.append(newDeviceId(), { name: "notice.nobody", payload: {} }, bench.now);
  }));
  assert.equal((await logged(bench.store, device.deviceId)).length, 2);
});
