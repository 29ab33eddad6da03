import assert from "node:assert/strict";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { CertificateIssuer, MAX_VALID_CERTIFICATES } from "./certificate_issuer.ts";
import { HOUR_MS, isError, PairingBench } from "./testing/pairing_bench.ts";

async function paired(bench: PairingBench) {
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText);
  const device = bench.devices.get(request.deviceId);
  assert.ok(device);
  const { store, identity, devices, clock } = bench;
  const issuer = new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: HOUR_MS });
  const csrDer = await createCertificateRequest({ deviceId: device.deviceId, tlsKey: await TlsKey.generate() });
  return { device, issuer, csrDer };
}

Deno.test("CertificateIssuer.rotate() keeps its bound when a device asks many times at once", async () => {
  await using bench = await PairingBench.open();
  const { device, issuer, csrDer } = await paired(bench);
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => issuer.rotate(device, csrDer)));
  const refused = results.filter((each) => each.status === "rejected");
  assert.ok(refused.every((each) => isError("rate_limited")(each.reason)));
  const certificates = bench.devices.certificatesOf(device.deviceId);
  assert.equal(certificates.length, MAX_VALID_CERTIFICATES);
  assert.equal(refused.length, 20 - (MAX_VALID_CERTIFICATES - 1), "the pairing's own is one of them");
  const valid = await bench.store.transaction((tx) => tx.devices.countValidCertificates(device.deviceId, bench.now));
  assert.equal(valid, MAX_VALID_CERTIFICATES, "the store says the same");

  // When they have expired there is room again.
  bench.now = unixMs(bench.now + 2 * HOUR_MS);
  assert.equal(bench.refusalOf(await issuer.rotate(device, csrDer)), undefined);
});

Deno.test("CertificateIssuer.rotate() gives no successor to a certificate that was revoked while it asked", async () => {
  await using bench = await PairingBench.open();
  const { device, issuer, csrDer } = await paired(bench);
  const [shown] = bench.devices.certificatesOf(device.deviceId);
  assert.ok(shown);
  const renewing = issuer.rotate(device, csrDer, shown.fingerprint);
  await bench.store.transaction((tx) => tx.devices.revokeCertificate(shown.fingerprint, bench.now, "stolen"));
  await assert.rejects(renewing, isError("certificate_revoked"));
  assert.equal(bench.devices.certificatesOf(device.deviceId).length, 1);
});

Deno.test("CertificateIssuer issues nothing to a device that was revoked or paired anew with another key meanwhile", async () => {
  await using bench = await PairingBench.open();
  const { device, issuer, csrDer } = await paired(bench);
  const other = DeviceIdentity.generate(newDeviceId()).publicKey;
  await bench.store.transaction((tx) => tx.devices.put({ ...device, publicKey: other }));
  await assert.rejects(issuer.rotate(device, csrDer), isError("device_revoked"));
  await bench.store.transaction((tx) => tx.devices.put(device));
  await bench.revoke(device.deviceId);
  await assert.rejects(issuer.issue(device, csrDer), isError("device_revoked"));
  assert.equal(bench.devices.certificatesOf(device.deviceId).length, 1);
});
