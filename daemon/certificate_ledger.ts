import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { deviceActor } from "./audit/audit_act.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import type { StoreTransaction } from "./store/store.ts";

// What is done to the certificates of a device, each act with its event in the device's log and its record in the audit.

/** When and why certificates are revoked, and by whom. */
export interface Revocation {
  readonly at: UnixMs;
  readonly reason: string;
  /** For the audit: see `AuditAct`. */
  readonly actor: string;
}

/** Stores a certificate that was just issued. */
export async function enterCertificate(
  tx: StoreTransaction,
  certificate: CertificateRecord,
  name: "certificate.issued" | "certificate.renewed",
  actor: string,
): Promise<void> {
  const { deviceId, fingerprint, issuedAt, expiresAt } = certificate;
  await tx.devices.insertCertificate(certificate);
  await tx.events.append(deviceId, { name, payload: { fingerprint, expires_at_unix_ms: expiresAt } }, issuedAt);
  const details = { device_id: deviceId, expires_at_unix_ms: expiresAt };
  await tx.audit.append({ kind: name, actor, subject: fingerprint, details }, issuedAt);
}

/** Stores a certificate that a device was given because it proved its device key, from an address. */
export async function enterRecoveredCertificate(
  tx: StoreTransaction,
  certificate: CertificateRecord,
  remoteAddress: string,
): Promise<void> {
  const { deviceId, fingerprint, issuedAt, expiresAt } = certificate;
  const told = { expires_at_unix_ms: expiresAt, remote_address: remoteAddress };
  await tx.devices.insertCertificate(certificate);
  await tx.events.append(deviceId, { name: "certificate.recovered", payload: { fingerprint, ...told } }, issuedAt);
  await tx.audit.append({
    kind: "certificate.recovered",
    actor: deviceActor(deviceId),
    subject: fingerprint,
    details: { device_id: deviceId, ...told },
  }, issuedAt);
}

/** Revokes one certificate that is still valid. */
export async function revokeCertificate(
  tx: StoreTransaction,
  { deviceId, fingerprint }: CertificateRecord,
  revocation: Revocation,
): Promise<void> {
  const { at, reason } = revocation;
  await tx.devices.revokeCertificate(fingerprint, at, reason);
  await logRevocation(tx, deviceId, fingerprint, revocation);
  await auditRevocation(tx, deviceId, fingerprint, revocation);
}

/** Revokes every certificate of a device that stays paired; those that had expired anyway are no news. */
export async function revokeCertificates(
  tx: StoreTransaction,
  deviceId: DeviceId,
  revocation: Revocation,
): Promise<void> {
  for (const fingerprint of await tx.devices.revokeCertificates(deviceId, revocation.at, revocation.reason)) {
    // deno-lint-ignore no-await-in-loop -- events are numbered one after the other
    await logRevocation(tx, deviceId, fingerprint, revocation);
    // deno-lint-ignore no-await-in-loop -- and so are the records of the audit
    await auditRevocation(tx, deviceId, fingerprint, revocation);
  }
}

/** Revokes every certificate of a device that is revoked itself: its log has one event for it all, the audit each. */
export async function revokeWithDevice(
  tx: StoreTransaction,
  deviceId: DeviceId,
  revocation: Revocation,
): Promise<void> {
  for (const fingerprint of await tx.devices.revokeCertificates(deviceId, revocation.at, revocation.reason)) {
    // deno-lint-ignore no-await-in-loop -- the records of the audit are numbered one after the other
    await auditRevocation(tx, deviceId, fingerprint, revocation);
  }
}

async function logRevocation(
  tx: StoreTransaction,
  deviceId: DeviceId,
  fingerprint: Fingerprint,
  { at, reason }: Revocation,
): Promise<void> {
  await tx.events.append(deviceId, { name: "certificate.revoked", payload: { fingerprint, reason } }, at);
}

async function auditRevocation(
  tx: StoreTransaction,
  deviceId: DeviceId,
  fingerprint: Fingerprint,
  { at, reason, actor }: Revocation,
): Promise<void> {
  const details = { device_id: deviceId, reason };
  await tx.audit.append({ kind: "certificate.revoked", actor, subject: fingerprint, details }, at);
}
