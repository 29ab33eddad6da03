import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { RevocationIndex } from "../identity/revocation_index.ts";
import type { Clock, UnixMs } from "../identity/unix_ms.ts";
import type { PeerCertificate } from "../transport/session.ts";
import { certificateRefusal } from "./certificate_refusal.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

/** A peer that has been established: its device and the certificate by which it came. */
export interface KnownPeer {
  readonly device: DeviceRecord;
  readonly certificate: CertificateRecord;
}

/**
 * The paired devices in memory, for the look-up that every call and session makes (design section 3). It follows the
 * store: whoever writes devices tells it after the commit.
 */
export class DeviceRegistry {
  readonly #devices = new Map<DeviceId, DeviceRecord>();
  readonly #certificates = new Map<Fingerprint, CertificateRecord>();
  readonly #fingerprints = new Map<DeviceId, Set<Fingerprint>>();
  readonly #revocations: RevocationIndex;
  readonly #clock: Clock;

  private constructor(revocations: RevocationIndex, clock: Clock) {
    this.#revocations = revocations;
    this.#clock = clock;
  }

  /** Reads every device and certificate, and puts what is revoked into `revocations`. */
  static async load(store: Store, revocations: RevocationIndex, clock: Clock): Promise<DeviceRegistry> {
    const registry = new DeviceRegistry(revocations, clock);
    const [devices, certificates] = await store.transaction(async (tx) =>
      [await tx.devices.list(), await tx.devices.listCertificates()] as const
    );
    for (const device of devices) registry.putDevice(device);
    for (const certificate of certificates) registry.putCertificate(certificate);
    registry.forgetExpiredRevocations();
    return registry;
  }

  /** The device, revoked or not. */
  get(deviceId: DeviceId): DeviceRecord | undefined {
    return this.#devices.get(deviceId);
  }

  /** Every device, in no particular order. */
  all(): Iterable<DeviceRecord> {
    return this.#devices.values();
  }

  /** Every device, in the order of its id. */
  list(): DeviceRecord[] {
    return [...this.all()].sort((left, right) => left.deviceId < right.deviceId ? -1 : 1);
  }

  /** The certificates of one device, oldest first. */
  certificatesOf(deviceId: DeviceId): CertificateRecord[] {
    const fingerprints = this.#fingerprints.get(deviceId) ?? [];
    return [...fingerprints].flatMap((fingerprint) => this.#certificates.get(fingerprint) ?? []);
  }

  /** The certificates whose fingerprints begin with `digits`, of any device. */
  certificatesBeginningWith(digits: string): CertificateRecord[] {
    return [...this.#certificates.values()].filter(({ fingerprint }) => fingerprint.startsWith(digits));
  }

  /**
   * Who a peer is, or why it is refused: `device_unknown`, `device_revoked`, `certificate_revoked`,
   * `certificate_superseded`, `certificate_expired`.
   */
  identify(peer: PeerCertificate): KnownPeer | PalyraError {
    const certificate = this.#certificates.get(peer.fingerprint);
    const device = certificate && this.#devices.get(certificate.deviceId);
    if (certificate === undefined || device === undefined) {
      return new PalyraError(
        "device_unknown",
        "This daemon has no device with that certificate. Pair again: `palyrad pairing code`, then `palyra-node pair`.",
      );
    }
    if (device.status === "revoked") {
      return new PalyraError(
        "device_revoked",
        "This device was revoked by the daemon's operator. To use it again, remove it there and pair it anew.",
      );
    }
    const revokedReason = this.#revocations.certificateRevocation(peer.fingerprint)?.reason ??
      (certificate.revokedAt === undefined ? undefined : certificate.revokedReason ?? "");
    if (revokedReason !== undefined) return certificateRefusal(revokedReason);
    if (certificate.expiresAt <= this.#clock()) {
      return new PalyraError("certificate_expired", "This device's certificate has expired. Pair the device again.");
    }
    return { device, certificate };
  }

  /** A device was stored. Who was revoked stays so until it is removed, in whatever order the tidings of two commits come. */
  putDevice(device: DeviceRecord): void {
    if (device.status === "paired" && this.#devices.get(device.deviceId)?.status === "revoked") return;
    this.#devices.set(device.deviceId, device);
    if (device.status === "revoked") {
      this.#revocations.revokeDevice(device.deviceId, {
        reason: device.revokedReason ?? "",
        revokedAt: device.revokedAt ?? this.#clock(),
      });
    }
  }

  /** A certificate was stored. One that was revoked stays so, as a device does. */
  putCertificate(certificate: CertificateRecord): void {
    const known = this.#certificates.get(certificate.fingerprint);
    if (certificate.revokedAt === undefined && known?.revokedAt !== undefined) return;
    this.#certificates.set(certificate.fingerprint, certificate);
    const fingerprints = this.#fingerprints.get(certificate.deviceId) ?? new Set();
    this.#fingerprints.set(certificate.deviceId, fingerprints.add(certificate.fingerprint));
    if (certificate.revokedAt !== undefined) {
      this.#revocations.revokeFingerprint(certificate.fingerprint, {
        reason: certificate.revokedReason ?? "",
        revokedAt: certificate.revokedAt,
        certificateExpiresAt: certificate.expiresAt,
      });
    }
  }

  /** The certificates of a device were marked in the store, those that were not revoked before. */
  revokeCertificates(deviceId: DeviceId, at: UnixMs, reason: string): void {
    for (const certificate of this.certificatesOf(deviceId)) {
      if (certificate.revokedAt === undefined) {
        this.putCertificate({ ...certificate, revokedAt: at, revokedReason: reason });
      }
    }
  }

  /** Takes certificates out of the index that would be refused without it, because they have expired. */
  forgetExpiredRevocations(): void {
    this.#revocations.forgetExpired(this.#clock());
  }

  /** Expired certificates were deleted. */
  forgetCertificates(fingerprints: readonly Fingerprint[]): void {
    for (const fingerprint of fingerprints) {
      const certificate = this.#certificates.get(fingerprint);
      if (certificate === undefined) continue;
      this.#certificates.delete(fingerprint);
      this.#fingerprints.get(certificate.deviceId)?.delete(fingerprint);
    }
  }

  /** A device was deleted. */
  removeDevice(deviceId: DeviceId): void {
    this.#devices.delete(deviceId);
    this.#revocations.forgetDevice(deviceId);
    for (const certificate of this.certificatesOf(deviceId)) this.#certificates.delete(certificate.fingerprint);
    this.#fingerprints.delete(deviceId);
  }
}

/** Nothing was ever paired under that id, or it was removed. */
export function deviceNotFound(): PalyraError {
  return new PalyraError("device_not_found", "There is no such device. `palyrad devices list` shows those there are.");
}
