import assert from "node:assert/strict";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { CertificateIssuer } from "./certificate_issuer.ts";
import { SUPERSEDED_REASON } from "./certificate_refusal.ts";
import { followChanges, useCertificate } from "./certificate_succession.ts";
import { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import { HOUR_MS, isError, PairingBench } from "./testing/pairing_bench.ts";

/** A paired device with the certificate of its pairing and two renewed ones, of which none was used. */
async function threeCertificates(bench: PairingBench) {
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText);
  const { deviceId } = request;
  const device = bench.devices.get(deviceId);
  assert.ok(device);
  const { store, identity, devices, clock } = bench;
  const issuer = new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: HOUR_MS });
  const renew = async (): Promise<CertificateRecord> => {
    bench.now = unixMs(bench.now + 1_000);
    return await issuer.rotate(device, await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() }));
  };
  const [first] = devices.certificatesOf(deviceId);
  assert.ok(first);
  const all = [first, await renew(), await renew()] as const;
  const use = async ({ fingerprint }: { readonly fingerprint: Fingerprint }) =>
    followChanges(devices, await store.transaction((tx) => useCertificate(tx, deviceId, fingerprint, clock())));
  return { device, all, use, refusals: () => all.map((each) => bench.refusalOf(each)) };
}

const SUPERSEDED = "certificate_superseded";

Deno.test("useCertificate() ends the certificates before the one that is used for the first time, on disk and at once", async () => {
  await using bench = await PairingBench.open();
  const { device, all, use, refusals } = await threeCertificates(bench);
  assert.deepEqual(refusals(), [undefined, undefined, undefined]);
  await use(all[0]);
  assert.deepEqual(refusals(), [undefined, undefined, undefined], "later ones stay");
  await use(all[2]);
  assert.deepEqual(refusals(), [SUPERSEDED, SUPERSEDED, undefined]);
  assert.ok(bench.identity.revocations.isRevoked(all[0].fingerprint));
  const stored = await bench.store.transaction((tx) => tx.devices.certificatesOf(device.deviceId));
  assert.deepEqual(stored.map(({ revokedReason }) => revokedReason), [SUPERSEDED_REASON, SUPERSEDED_REASON, undefined]);
  assert.deepEqual(stored.map(({ firstUsedAt }) => firstUsedAt !== undefined), [true, false, true]);
  const { events } = await bench.store.transaction((tx) => tx.events.read(device.deviceId, 0, 100));
  assert.deepEqual(events.slice(-2).map(({ name, payload }) => [name, payload]), [
    ["certificate.revoked", { fingerprint: all[0].fingerprint, reason: SUPERSEDED_REASON }],
    ["certificate.revoked", { fingerprint: all[1].fingerprint, reason: SUPERSEDED_REASON }],
  ]);
  const restarted = await DeviceRegistry.load(bench.store, bench.identity.revocations, bench.clock);
  assert.equal(restarted.certificatesOf(device.deviceId).filter(({ revokedAt }) => revokedAt === undefined).length, 1);
});

Deno.test("useCertificate() changes nothing at a later use, and nothing for one that is not stored", async () => {
  await using bench = await PairingBench.open();
  const { device, all, use, refusals } = await threeCertificates(bench);
  await use(all[0]);
  const before = bench.devices.certificatesOf(device.deviceId);
  bench.now = unixMs(bench.now + 1);
  await use(all[0]);
  assert.deepEqual(bench.devices.certificatesOf(device.deviceId), before);
  await use({ fingerprint: device.identityFingerprint });
  assert.deepEqual(refusals(), [undefined, undefined, undefined]);
});

Deno.test("useCertificate() refuses a certificate that another session has ended meanwhile", async () => {
  await using bench = await PairingBench.open();
  const { all, use, refusals } = await threeCertificates(bench);
  await use(all[1]);
  await assert.rejects(use(all[0]), isError(SUPERSEDED));
  assert.deepEqual(refusals(), [SUPERSEDED, undefined, undefined]);
});

Deno.test("useCertificate() refuses a certificate that was revoked while its session opened, and ends no other", async () => {
  await using bench = await PairingBench.open();
  const { all, use, refusals } = await threeCertificates(bench);
  await bench.store.transaction((tx) => tx.devices.revokeCertificate(all[2].fingerprint, bench.now, "stolen"));
  await assert.rejects(use(all[2]), isError("certificate_revoked"));
  assert.deepEqual(refusals().slice(0, 2), [undefined, undefined], "the owner's own machine is not locked out by it");
});

Deno.test("useCertificate() says nothing of certificates that had expired, or were revoked by an operator", async () => {
  await using bench = await PairingBench.open();
  const { device, all, use } = await threeCertificates(bench);
  const revoked = { at: bench.now, reason: "lost" };
  await bench.store.transaction((tx) => tx.devices.revokeCertificate(all[1].fingerprint, revoked.at, revoked.reason));
  bench.now = unixMs(all[0].expiresAt + 1);
  await use(all[2]);
  const stored = await bench.store.transaction((tx) => tx.devices.certificatesOf(device.deviceId));
  assert.deepEqual(stored.map(({ revokedReason }) => revokedReason), [undefined, "lost", undefined]);
});

Deno.test("useCertificate() goes by the order in which certificates were issued, also when the clock was put back", async () => {
  await using bench = await PairingBench.open();
  const { device, all, use } = await threeCertificates(bench);
  bench.now = unixMs(all[0].issuedAt - 60_000);
  const { store, identity, devices, clock } = bench;
  const issuer = new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: HOUR_MS });
  const { deviceId } = device;
  const csrDer = await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() });
  const asked: DeviceRecord = { ...device, rotationAskedAt: all[2].issuedAt };
  await store.transaction((tx) => tx.devices.put(asked));
  devices.putDevice(asked);
  await use(await issuer.rotate(device, csrDer));
  assert.deepEqual(all.map((each) => bench.refusalOf(each)), [SUPERSEDED, SUPERSEDED, SUPERSEDED]);
  assert.equal(devices.get(deviceId)?.rotationAskedAt, undefined, "or it would be asked for without end");
});

Deno.test("useCertificate() ends a rotation that was asked for before the certificate was issued, and no other", async () => {
  await using bench = await PairingBench.open();
  const { device, all, use } = await threeCertificates(bench);
  const ask = async (at: number) => {
    const asked: DeviceRecord = { ...device, rotationAskedAt: unixMs(at) };
    await bench.store.transaction((tx) => tx.devices.put(asked));
    bench.devices.putDevice(asked);
  };
  await ask(all[1].issuedAt + 1);
  await use(all[1]);
  assert.equal(bench.devices.get(device.deviceId)?.rotationAskedAt, all[1].issuedAt + 1);
  await use(all[2]);
  assert.equal(bench.devices.get(device.deviceId)?.rotationAskedAt, undefined);
  const stored = await bench.store.transaction((tx) => tx.devices.get(device.deviceId));
  assert.equal(stored?.rotationAskedAt, undefined);
});
