import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { deviceActor } from "./audit/audit_act.ts";
import { revokeCertificate } from "./certificate_ledger.ts";
import { certificateRefusal, SUPERSEDED_REASON } from "./certificate_refusal.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { StoreTransaction } from "./store/store.ts";

/** What a transaction has changed about a device and its certificates, for the registry to follow. */
export interface CertificateChanges {
  /** As they are stored now. */
  readonly certificates: readonly CertificateRecord[];
  /** As it is stored now; undefined where it did not change. */
  readonly device: DeviceRecord | undefined;
}

/**
 * The second phase of a renewal or recovery (design section 3): a device comes with a certificate for the first time, and
 * those that it was given before end. Until then they all stay valid, so that a reply that is lost locks nobody out. A
 * later use changes nothing. Throws `certificate_superseded` when another session has ended the certificate meanwhile, and
 * `certificate_revoked` when an operator has.
 */
export async function useCertificate(
  tx: StoreTransaction,
  deviceId: DeviceId,
  fingerprint: Fingerprint,
  at: UnixMs,
): Promise<CertificateChanges | undefined> {
  const used = await tx.devices.getCertificate(fingerprint);
  if (used === undefined) return undefined;
  // Revoked while its session was opening: it must end nothing that its device still has.
  if (used.revokedAt !== undefined) throw certificateRefusal(used.revokedReason ?? "");
  if (used.firstUsedAt !== undefined) return undefined;
  await tx.devices.markCertificateUsed(fingerprint, at);
  const all = await tx.devices.certificatesOf(deviceId);
  const before = all.slice(0, all.findIndex((each) => each.fingerprint === fingerprint));
  const earlier = before.filter(({ revokedAt, expiresAt }) => revokedAt === undefined && expiresAt > at);
  return {
    certificates: [{ ...used, firstUsedAt: at }, ...await supersede(tx, earlier, at)],
    device: await endRotation(tx, deviceId, used, at),
  };
}

/** Ends valid certificates that newer ones have replaced; resolves with them as they are now. */
export async function supersede(
  tx: StoreTransaction,
  certificates: readonly CertificateRecord[],
  at: UnixMs,
): Promise<CertificateRecord[]> {
  const ended: CertificateRecord[] = [];
  for (const certificate of certificates) {
    const revocation = { at, reason: SUPERSEDED_REASON, actor: deviceActor(certificate.deviceId) };
    // deno-lint-ignore no-await-in-loop -- events and records of the audit are numbered one after the other
    await revokeCertificate(tx, certificate, revocation);
    ended.push({ ...certificate, revokedAt: at, revokedReason: SUPERSEDED_REASON });
  }
  return ended;
}

/** Has the registry follow what was committed. */
export function followChanges(devices: DeviceRegistry, changes: CertificateChanges | undefined): void {
  if (changes?.device !== undefined) devices.putDevice(changes.device);
  for (const certificate of changes?.certificates ?? []) devices.putCertificate(certificate);
}

/** What an operator asked for is there. */
async function endRotation(
  tx: StoreTransaction,
  deviceId: DeviceId,
  used: CertificateRecord,
  at: UnixMs,
): Promise<DeviceRecord | undefined> {
  const device = await tx.devices.get(deviceId);
  const askedAt = device?.rotationAskedAt;
  if (device === undefined || askedAt === undefined) return undefined;
  // A moment still to come is from before the clock was put back: no certificate would ever be younger.
  if (used.issuedAt < askedAt && askedAt <= at) return undefined;
  const { rotationAskedAt: _, ...rotated } = device;
  await tx.devices.put(rotated);
  return rotated;
}
