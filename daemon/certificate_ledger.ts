import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import type { StoreTransaction } from "./store/store.ts";

// What is done to the certificates of a device, each act with its event in the device's log.

/** Stores a certificate that was just issued. */
export async function enterCertificate(
  tx: StoreTransaction,
  certificate: CertificateRecord,
  name: "certificate.issued" | "certificate.renewed",
): Promise<void> {
  const { deviceId, fingerprint, issuedAt, expiresAt } = certificate;
  await tx.devices.insertCertificate(certificate);
  await tx.events.append(deviceId, { name, payload: { fingerprint, expires_at_unix_ms: expiresAt } }, issuedAt);
}

/** Revokes one certificate that is still valid. */
export async function revokeCertificate(
  tx: StoreTransaction,
  { deviceId, fingerprint }: CertificateRecord,
  at: UnixMs,
  reason: string,
): Promise<void> {
  await tx.devices.revokeCertificate(fingerprint, at, reason);
  await logRevocation(tx, deviceId, fingerprint, at, reason);
}

/** Revokes every certificate of a device that stays paired; those that had expired anyway are no news. */
export async function revokeCertificates(
  tx: StoreTransaction,
  deviceId: DeviceId,
  at: UnixMs,
  reason: string,
): Promise<void> {
  for (const fingerprint of await tx.devices.revokeCertificates(deviceId, at, reason)) {
    // deno-lint-ignore no-await-in-loop -- events are numbered one after the other
    await logRevocation(tx, deviceId, fingerprint, at, reason);
  }
}

async function logRevocation(
  tx: StoreTransaction,
  deviceId: DeviceId,
  fingerprint: Fingerprint,
  at: UnixMs,
  reason: string,
): Promise<void> {
  await tx.events.append(deviceId, { name: "certificate.revoked", payload: { fingerprint, reason } }, at);
}
