import assert from "node:assert/strict";
import { join } from "node:path";
import { newDeviceId } from "../identity/device_id.ts";
import { type Fingerprint, fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { RevocationIndex } from "../identity/revocation_index.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

const NOW = systemClock();

function aDevice(): DeviceRecord {
  const publicKey = crypto.getRandomValues(new Uint8Array(32));
  return {
    deviceId: newDeviceId(),
    clientKind: "node",
    status: "paired",
    deviceName: "laptop",
    platform: "test",
    publicKey,
    identityFingerprint: fingerprintOf(publicKey),
    grantedCapabilities: [],
    deniedCapabilities: [],
    recoveryAllowed: true,
    recoveryCount: 0,
    pairedAt: NOW,
    approvedBy: "operator",
  };
}

function certificateOf(
  device: DeviceRecord,
  name: string,
  changes: Partial<CertificateRecord> = {},
): CertificateRecord {
  return {
    fingerprint: fingerprintOf(new TextEncoder().encode(device.deviceId + name)),
    deviceId: device.deviceId,
    issuedAt: NOW,
    expiresAt: unixMs(NOW + 60_000),
    pem: "",
    caFingerprint: fingerprintOf(new Uint8Array()),
    ...changes,
  };
}

/** How the registry answers to a certificate: the device's id, or the code of the refusal. */
function answer(registry: DeviceRegistry, fingerprint: Fingerprint): string {
  const known = registry.identify({ fingerprint, der: new Uint8Array() });
  return known instanceof PalyraError ? known.code : known.device.deviceId;
}

Deno.test("DeviceRegistry tells a known certificate from an unknown, a revoked and an expired one, also after a restart", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    const [good, bad] = [aDevice(), {
      ...aDevice(),
      status: "revoked" as const,
      revokedAt: NOW,
      revokedReason: "lost",
    }];
    const valid = certificateOf(good, "valid");
    const old = certificateOf(good, "old", { expiresAt: NOW });
    const withdrawn = certificateOf(good, "withdrawn", { revokedAt: NOW, revokedReason: "superseded" });
    const ofRevoked = certificateOf(bad, "any");
    await store.transaction(async (tx) => {
      await tx.devices.put(good);
      await tx.devices.put(bad);
      await Promise.all([valid, old, withdrawn, ofRevoked].map((each) => tx.devices.insertCertificate(each)));
    });
    const revocations = new RevocationIndex();
    const registry = await DeviceRegistry.load(store, revocations, () => NOW);
    assert.equal(answer(registry, valid.fingerprint), good.deviceId);
    assert.equal(answer(registry, old.fingerprint), "certificate_expired");
    assert.equal(answer(registry, withdrawn.fingerprint), "certificate_superseded");
    assert.equal(answer(registry, ofRevoked.fingerprint), "device_revoked");
    assert.equal(answer(registry, fingerprintOf(new Uint8Array([1]))), "device_unknown");
    assert.ok(revocations.isRevoked(withdrawn.fingerprint) && revocations.deviceRevocation(bad.deviceId));

    registry.revokeCertificates(good.deviceId, NOW, "stolen");
    assert.equal(answer(registry, valid.fingerprint), "certificate_revoked");
    registry.removeDevice(good.deviceId);
    assert.equal(answer(registry, valid.fingerprint), "device_unknown");
    assert.deepEqual(registry.certificatesOf(good.deviceId), []);
    registry.removeDevice(bad.deviceId);
    assert.equal(revocations.deviceRevocation(bad.deviceId), undefined, "a removed device may pair anew");
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DeviceRegistry lets nobody in again by late tidings of a commit before the revocation", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    const registry = await DeviceRegistry.load(store, new RevocationIndex(), () => NOW);
    const [device, other] = [aDevice(), aDevice()];
    const [one, two] = [certificateOf(device, "one"), certificateOf(other, "two")];
    for (const each of [device, other]) registry.putDevice(each);
    for (const each of [one, two]) registry.putCertificate(each);
    registry.putDevice({ ...device, status: "revoked", revokedAt: NOW, revokedReason: "lost" });
    registry.putCertificate({ ...two, revokedAt: NOW, revokedReason: "copied" });
    registry.putDevice({ ...device, deviceName: "renamed meanwhile" });
    registry.putCertificate({ ...two, firstUsedAt: NOW });
    assert.equal(answer(registry, one.fingerprint), "device_revoked");
    assert.equal(registry.get(device.deviceId)?.status, "revoked");
    assert.equal(answer(registry, two.fingerprint), "certificate_revoked");
    registry.removeDevice(device.deviceId);
    registry.putDevice(device);
    assert.equal(registry.get(device.deviceId)?.status, "paired", "whoever was removed may pair anew");
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DeviceRegistry.load() takes revoked certificates that have expired into no index", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    const device = aDevice();
    const expired = certificateOf(device, "expired", { expiresAt: unixMs(NOW - 1), revokedAt: NOW, revokedReason: "" });
    await store.transaction(async (tx) => {
      await tx.devices.put(device);
      await tx.devices.insertCertificate(expired);
    });
    const revocations = new RevocationIndex();
    const registry = await DeviceRegistry.load(store, revocations, () => NOW);
    assert.deepEqual(revocations.entries(), []);
    assert.equal(answer(registry, expired.fingerprint), "certificate_revoked");
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("DeviceRegistry tells the listeners of each certificate it learns to be revoked, in the same turn", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    const revocations = new RevocationIndex();
    const registry = await DeviceRegistry.load(store, revocations, () => NOW);
    const device = aDevice();
    const [one, two] = [certificateOf(device, "one"), certificateOf(device, "two")];
    registry.putDevice(device);
    registry.putCertificate(one);
    registry.putCertificate(two);
    const cut: string[] = [];
    revocations.onRevoked((entry) => entry.kind === "certificate" && cut.push(entry.fingerprint));
    registry.revokeCertificates(device.deviceId, NOW, "lost");
    assert.deepEqual(cut, [one.fingerprint, two.fingerprint]);
    registry.revokeCertificates(device.deviceId, NOW, "lost");
    assert.equal(cut.length, 2, "once each");
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});
