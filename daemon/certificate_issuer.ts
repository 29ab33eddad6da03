import { parseCertificateRequest } from "../identity/certificate_request.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { DAEMON_ACTOR, deviceActor } from "./audit/audit_act.ts";
import { enterCertificate } from "./certificate_ledger.ts";
import { certificateRefusal } from "./certificate_refusal.ts";
import { type CertificateChanges, followChanges } from "./certificate_succession.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

/** Certificates of one device that may be valid at once. */
export const MAX_VALID_CERTIFICATES = 8;

/** What {@linkcode CertificateIssuer} needs. */
export interface CertificateIssuerOptions {
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  /** Life of a client certificate, in milliseconds. */
  readonly certificateValidityMs: number;
  readonly clock: Clock;
}

/** Issues certificates to devices that are paired already. */
export class CertificateIssuer {
  readonly #options: CertificateIssuerOptions;

  constructor(options: CertificateIssuerOptions) {
    this.#options = options;
  }

  /**
   * Issues a further certificate at the device's own wish; the others stay valid until their end. A device may ask as
   * often as it likes, so `rate_limited` is thrown when {@linkcode MAX_VALID_CERTIFICATES} of its certificates are valid.
   * Throws otherwise what {@linkcode issue} throws.
   *
   * @param shown the certificate with which it asks: one that was revoked meanwhile gets no successor, and
   * `certificate_revoked` or `certificate_superseded` is thrown.
   */
  async rotate(device: DeviceRecord, csrDer: Uint8Array, shown?: Fingerprint): Promise<CertificateRecord> {
    const { store, clock } = this.#options;
    const checkBound = async (tx: StoreTransaction) => {
      const asking = shown === undefined ? undefined : await tx.devices.getCertificate(shown);
      if (asking?.revokedAt !== undefined) throw certificateRefusal(asking.revokedReason ?? "");
      const valid = await tx.devices.countValidCertificates(device.deviceId, clock());
      if (valid >= MAX_VALID_CERTIFICATES) {
        throw new PalyraError("rate_limited", `The device has ${valid} valid certificates; use one of them.`);
      }
    };
    // Asked once before the work of signing, and again where several at a time cannot get past it.
    await store.transaction(checkBound);
    return await this.#issue(device, csrDer, "certificate.renewed", deviceActor(device.deviceId), checkBound);
  }

  /**
   * A new certificate for `device` from its CSR; on disk and in force when this resolves. Throws
   * `invalid_certificate_request`, or `device_revoked` when the device is not paired any more or with another key.
   */
  async issue(device: DeviceRecord, csrDer: Uint8Array): Promise<CertificateRecord> {
    return await this.#issue(device, csrDer, "certificate.issued", DAEMON_ACTOR, () => Promise.resolve());
  }

  async #issue(
    device: DeviceRecord,
    csrDer: Uint8Array,
    event: "certificate.issued" | "certificate.renewed",
    actor: string,
    check: (tx: StoreTransaction) => Promise<void>,
  ): Promise<CertificateRecord> {
    return await this.issueWith(device, csrDer, async (tx, certificate) => {
      await check(tx);
      await enterCertificate(tx, certificate, event, actor);
      return undefined;
    });
  }

  /**
   * Issues like {@linkcode issue}; `enter` stores the certificate, in a transaction that has the device as it is stored now,
   * and says what else it has changed. Throws what `enter` throws, too.
   */
  async issueWith(
    device: DeviceRecord,
    csrDer: Uint8Array,
    enter: (
      tx: StoreTransaction,
      certificate: CertificateRecord,
      stored: DeviceRecord,
    ) => Promise<CertificateChanges | undefined>,
  ): Promise<CertificateRecord> {
    const { store, identity, devices, certificateValidityMs } = this.#options;
    const { deviceId, clientKind } = device;
    const { publicKey } = parseCertificateRequest(csrDer, deviceId);
    const issued = await identity.issueClientCertificate({
      deviceId,
      clientKind,
      publicKey,
      validityMs: certificateValidityMs,
    });
    const certificate: CertificateRecord = {
      fingerprint: issued.fingerprint,
      deviceId,
      issuedAt: issued.issuedAt,
      expiresAt: issued.expiresAt,
      pem: issued.certificatePem,
      caFingerprint: issued.caFingerprint,
    };
    const entered = await store.transaction(async (tx) => {
      const stored = await tx.devices.get(deviceId);
      if (stored?.status !== "paired" || !sameBytes(stored.publicKey, device.publicKey)) {
        throw new PalyraError(
          "device_revoked",
          "The device is not paired any more, or was paired anew; pair it again.",
        );
      }
      return await enter(tx, certificate, stored);
    });
    devices.putCertificate(certificate);
    followChanges(devices, entered);
    return certificate;
  }
}
