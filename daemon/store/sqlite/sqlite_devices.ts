import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CLIENT_KINDS } from "../../../identity/client_kind.ts";
import { type DeviceId, parseDeviceId } from "../../../identity/device_id.ts";
import { type Fingerprint, parseFingerprint } from "../../../identity/fingerprint.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import type { CertificateRecord, DeviceRecord, DeviceTable } from "../device_record.ts";
import {
  bytes,
  integer,
  oneOf,
  optionalText,
  optionalTime,
  present,
  type SqliteRow,
  text,
  textList,
  time,
} from "./sqlite_row.ts";

function deviceOf(row: SqliteRow): DeviceRecord {
  return present({
    deviceId: parseDeviceId(text(row, "device_id")),
    clientKind: oneOf(row, "client_kind", CLIENT_KINDS),
    status: oneOf(row, "status", ["paired", "revoked"]),
    deviceName: text(row, "device_name"),
    platform: text(row, "platform"),
    publicKey: bytes(row, "public_key"),
    identityFingerprint: parseFingerprint(text(row, "identity_fingerprint")),
    grantedCapabilities: textList(row, "granted_capabilities"),
    deniedCapabilities: textList(row, "denied_capabilities"),
    recoveryAllowed: integer(row, "recovery_allowed") === 1,
    recoveryCount: integer(row, "recovery_count"),
    recoveryAlarm: optionalText(row, "recovery_alarm"),
    rotationAskedAt: optionalTime(row, "rotation_asked_at"),
    pairedAt: time(row, "paired_at"),
    approvedBy: text(row, "approved_by"),
    revokedAt: optionalTime(row, "revoked_at"),
    revokedReason: optionalText(row, "revoked_reason"),
  });
}

function certificateOf(row: SqliteRow): CertificateRecord {
  return present({
    fingerprint: parseFingerprint(text(row, "fingerprint")),
    deviceId: parseDeviceId(text(row, "device_id")),
    issuedAt: time(row, "issued_at"),
    expiresAt: time(row, "expires_at"),
    pem: text(row, "pem"),
    caFingerprint: parseFingerprint(text(row, "ca_fingerprint")),
    firstUsedAt: optionalTime(row, "first_used_at"),
    revokedAt: optionalTime(row, "revoked_at"),
    revokedReason: optionalText(row, "revoked_reason"),
  });
}

/** {@linkcode DeviceTable} on SQLite. */
export class SqliteDevices implements DeviceTable {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #keepRevoked: StatementSync;
  readonly #listRevoked: StatementSync;
  readonly #deleteExpiredRevoked: StatementSync;
  readonly #removePairings: StatementSync;
  readonly #remove: StatementSync;
  readonly #listCertificates: StatementSync;
  readonly #getCertificate: StatementSync;
  readonly #certificatesOf: StatementSync;
  readonly #markCertificateUsed: StatementSync;
  readonly #insertCertificate: StatementSync;
  readonly #deleteExpiredCertificates: StatementSync;
  readonly #countValidCertificates: StatementSync;
  readonly #revokeCertificate: StatementSync;
  readonly #revokeCertificates: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM devices WHERE device_id = ?");
    this.#list = db.prepare("SELECT * FROM devices ORDER BY device_id");
    this.#put = db.prepare(`
      INSERT INTO devices (device_id, client_kind, status, device_name, platform, public_key, identity_fingerprint,
        granted_capabilities, denied_capabilities, recovery_allowed, recovery_count, recovery_alarm, rotation_asked_at,
        paired_at, approved_by, revoked_at, revoked_reason)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (device_id) DO UPDATE SET client_kind = excluded.client_kind, status = excluded.status,
        device_name = excluded.device_name, platform = excluded.platform, public_key = excluded.public_key,
        identity_fingerprint = excluded.identity_fingerprint, granted_capabilities = excluded.granted_capabilities,
        denied_capabilities = excluded.denied_capabilities, recovery_allowed = excluded.recovery_allowed,
        recovery_count = excluded.recovery_count, recovery_alarm = excluded.recovery_alarm,
        rotation_asked_at = excluded.rotation_asked_at, paired_at = excluded.paired_at, approved_by = excluded.approved_by, revoked_at = excluded.revoked_at,
        revoked_reason = excluded.revoked_reason`);
    this.#keepRevoked = db.prepare(`
      INSERT OR IGNORE INTO removed_certificates
      SELECT fingerprint, device_id, pem, ca_fingerprint, issued_at, expires_at, coalesce(revoked_at, ?2),
        coalesce(revoked_reason, ?3)
      FROM certificates WHERE device_id = ?1 AND expires_at > ?2`);
    this.#listRevoked = db.prepare(`
      SELECT fingerprint, device_id, pem, ca_fingerprint, issued_at, expires_at, first_used_at, revoked_at, revoked_reason
      FROM certificates WHERE revoked_at IS NOT NULL AND expires_at > ?1
      UNION ALL
      SELECT fingerprint, device_id, pem, ca_fingerprint, issued_at, expires_at, NULL, revoked_at, revoked_reason
      FROM removed_certificates WHERE expires_at > ?1
      ORDER BY revoked_at, fingerprint`);
    this.#deleteExpiredRevoked = db.prepare(`
      DELETE FROM removed_certificates WHERE fingerprint IN
        (SELECT fingerprint FROM removed_certificates WHERE expires_at <= ? LIMIT ?)`);
    this.#removePairings = db.prepare("DELETE FROM pairing_requests WHERE device_id = ?");
    this.#remove = db.prepare("DELETE FROM devices WHERE device_id = ?");
    this.#listCertificates = db.prepare("SELECT * FROM certificates ORDER BY issued_at, fingerprint");
    this.#getCertificate = db.prepare("SELECT * FROM certificates WHERE fingerprint = ?");
    this.#certificatesOf = db.prepare(
      "SELECT * FROM certificates WHERE device_id = ? ORDER BY rowid",
    );
    this.#markCertificateUsed = db.prepare(
      "UPDATE certificates SET first_used_at = ? WHERE fingerprint = ? AND first_used_at IS NULL",
    );
    this.#insertCertificate = db.prepare(`
      INSERT INTO certificates (fingerprint, device_id, issued_at, expires_at, pem, ca_fingerprint, first_used_at,
        revoked_at, revoked_reason)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#deleteExpiredCertificates = db.prepare(`
      DELETE FROM certificates WHERE fingerprint IN
        (SELECT old.fingerprint FROM certificates AS old
         WHERE old.expires_at < ?1 AND EXISTS
           (SELECT 1 FROM certificates AS newer WHERE newer.device_id = old.device_id AND newer.expires_at > old.expires_at)
         LIMIT ?2)
      RETURNING fingerprint`);
    this.#countValidCertificates = db.prepare(
      "SELECT count(*) AS valid FROM certificates WHERE device_id = ? AND revoked_at IS NULL AND expires_at > ?",
    );
    this.#revokeCertificate = db.prepare(
      "UPDATE certificates SET revoked_at = ?, revoked_reason = ? WHERE fingerprint = ? AND revoked_at IS NULL",
    );
    this.#revokeCertificates = db.prepare(
      "UPDATE certificates SET revoked_at = ?, revoked_reason = ? WHERE device_id = ? AND revoked_at IS NULL " +
        "RETURNING fingerprint, expires_at",
    );
  }

  async get(deviceId: DeviceId): Promise<DeviceRecord | undefined> {
    const row = this.#get.get(deviceId);
    return await Promise.resolve(row && deviceOf(row));
  }

  async list(): Promise<DeviceRecord[]> {
    return await Promise.resolve(this.#list.all().map(deviceOf));
  }

  async put(device: DeviceRecord): Promise<void> {
    this.#put.run(
      device.deviceId,
      device.clientKind,
      device.status,
      device.deviceName,
      device.platform,
      device.publicKey,
      device.identityFingerprint,
      JSON.stringify(device.grantedCapabilities),
      JSON.stringify(device.deniedCapabilities),
      device.recoveryAllowed ? 1 : 0,
      device.recoveryCount,
      device.recoveryAlarm ?? null,
      device.rotationAskedAt ?? null,
      device.pairedAt,
      device.approvedBy,
      device.revokedAt ?? null,
      device.revokedReason ?? null,
    );
    await Promise.resolve();
  }

  async keepRevoked(deviceId: DeviceId, at: UnixMs, reason: string): Promise<void> {
    this.#keepRevoked.run(deviceId, at, reason);
    await Promise.resolve();
  }

  async listRevoked(at: UnixMs): Promise<CertificateRecord[]> {
    return await Promise.resolve(this.#listRevoked.all(at).map(certificateOf));
  }

  async deleteExpiredRevoked(at: UnixMs, limit: number): Promise<number> {
    return await Promise.resolve(Number(this.#deleteExpiredRevoked.run(at, limit).changes));
  }

  async remove(deviceId: DeviceId): Promise<void> {
    this.#removePairings.run(deviceId);
    this.#remove.run(deviceId);
    await Promise.resolve();
  }

  async listCertificates(): Promise<CertificateRecord[]> {
    return await Promise.resolve(this.#listCertificates.all().map(certificateOf));
  }

  async getCertificate(fingerprint: Fingerprint): Promise<CertificateRecord | undefined> {
    const row = this.#getCertificate.get(fingerprint);
    return await Promise.resolve(row && certificateOf(row));
  }

  async certificatesOf(deviceId: DeviceId): Promise<CertificateRecord[]> {
    return await Promise.resolve(this.#certificatesOf.all(deviceId).map(certificateOf));
  }

  async markCertificateUsed(fingerprint: Fingerprint, at: UnixMs): Promise<void> {
    this.#markCertificateUsed.run(at, fingerprint);
    await Promise.resolve();
  }

  async insertCertificate(certificate: CertificateRecord): Promise<void> {
    this.#insertCertificate.run(
      certificate.fingerprint,
      certificate.deviceId,
      certificate.issuedAt,
      certificate.expiresAt,
      certificate.pem,
      certificate.caFingerprint,
      certificate.firstUsedAt ?? null,
      certificate.revokedAt ?? null,
      certificate.revokedReason ?? null,
    );
    await Promise.resolve();
  }

  async deleteCertificatesExpiredBefore(moment: UnixMs, limit: number): Promise<Fingerprint[]> {
    const deleted = this.#deleteExpiredCertificates.all(moment, limit);
    return await Promise.resolve(deleted.map((row) => parseFingerprint(text(row, "fingerprint"))));
  }

  async countValidCertificates(deviceId: DeviceId, at: UnixMs): Promise<number> {
    const row = this.#countValidCertificates.get(deviceId, at);
    return await Promise.resolve(row ? integer(row, "valid") : 0);
  }

  async revokeCertificate(fingerprint: Fingerprint, at: UnixMs, reason: string): Promise<void> {
    this.#revokeCertificate.run(at, reason, fingerprint);
    await Promise.resolve();
  }

  async revokeCertificates(deviceId: DeviceId, at: UnixMs, reason: string): Promise<Fingerprint[]> {
    const revoked = this.#revokeCertificates.all(at, reason, deviceId);
    const valid = revoked.filter((row) => time(row, "expires_at") > at);
    return await Promise.resolve(valid.map((row) => parseFingerprint(text(row, "fingerprint"))));
  }
}
