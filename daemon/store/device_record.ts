import type { ClientKind } from "../../identity/client_kind.ts";
import type { DeviceId } from "../../identity/device_id.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** A paired device. It keeps its row after a revocation, so that it cannot quietly pair again. */
export interface DeviceRecord {
  readonly deviceId: DeviceId;
  readonly clientKind: ClientKind;
  readonly status: "paired" | "revoked";
  readonly deviceName: string;
  readonly platform: string;
  /** Ed25519, 32 bytes; empty for the daemon's own operator, which has no device identity. */
  readonly publicKey: Uint8Array;
  readonly identityFingerprint: Fingerprint;
  /** Fixed when the pairing was approved (design section 3). */
  readonly grantedCapabilities: readonly string[];
  /** Never run, whatever was granted. */
  readonly deniedCapabilities: readonly string[];
  /** Whether it may come back by its device key when its certificate is of no use any more. */
  readonly recoveryAllowed: boolean;
  /** How often it did. */
  readonly recoveryCount: number;
  /** Why somebody else may have a copy of its key; until an operator has seen to it. */
  readonly recoveryAlarm?: string;
  /** When an operator asked for a new certificate that has not come yet. */
  readonly rotationAskedAt?: UnixMs;
  readonly pairedAt: UnixMs;
  readonly approvedBy: string;
  readonly revokedAt?: UnixMs;
  readonly revokedReason?: string;
}

/** A client certificate this daemon issued. */
export interface CertificateRecord {
  readonly fingerprint: Fingerprint;
  readonly deviceId: DeviceId;
  readonly issuedAt: UnixMs;
  readonly expiresAt: UnixMs;
  readonly pem: string;
  /** Of the CA that issued it. */
  readonly caFingerprint: Fingerprint;
  /** When its device first came with it; until then the ones before it stay valid. */
  readonly firstUsedAt?: UnixMs;
  readonly revokedAt?: UnixMs;
  readonly revokedReason?: string;
}

/** Devices and their certificates. */
export interface DeviceTable {
  get(deviceId: DeviceId): Promise<DeviceRecord | undefined>;
  list(): Promise<DeviceRecord[]>;
  /** Inserts or replaces the device. */
  put(device: DeviceRecord): Promise<void>;
  /** Marks the certificates of a device that is about to be removed; until they expire they stay among the revoked. */
  keepRevoked(deviceId: DeviceId, at: UnixMs, reason: string): Promise<void>;
  /** The certificates that are revoked and have not expired at that moment, also of devices that were removed. */
  listRevoked(at: UnixMs): Promise<CertificateRecord[]>;
  /** Deletes up to `limit` certificates of removed devices that have expired at that moment; resolves with how many. */
  deleteExpiredRevoked(at: UnixMs, limit: number): Promise<number>;
  /** Deletes the device, its certificates, its node record, its pairing requests and its events. */
  remove(deviceId: DeviceId): Promise<void>;
  listCertificates(): Promise<CertificateRecord[]>;
  getCertificate(fingerprint: Fingerprint): Promise<CertificateRecord | undefined>;
  insertCertificate(certificate: CertificateRecord): Promise<void>;
  /** The certificates of one device, in the order in which they were stored, whatever the clock said then. */
  certificatesOf(deviceId: DeviceId): Promise<CertificateRecord[]>;
  /** Sets when a certificate was first used, unless it was before. */
  markCertificateUsed(fingerprint: Fingerprint, at: UnixMs): Promise<void>;
  /**
   * Deletes up to `limit` certificates that expired before a moment; resolves with them. The newest of each device
   * stays, so that who comes with it is told that it has expired.
   */
  deleteCertificatesExpiredBefore(moment: UnixMs, limit: number): Promise<Fingerprint[]>;
  /** How many certificates of the device are neither revoked nor expired at that moment. */
  countValidCertificates(deviceId: DeviceId, at: UnixMs): Promise<number>;
  /** Marks one certificate, unless it is marked already. */
  revokeCertificate(fingerprint: Fingerprint, at: UnixMs, reason: string): Promise<void>;
  /** Marks those certificates of the device that are not revoked yet; resolves with those that were valid until then. */
  revokeCertificates(deviceId: DeviceId, at: UnixMs, reason: string): Promise<Fingerprint[]>;
}
