import { parseCertificateRequest } from "../identity/certificate_request.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

/** Certificates of one device that may be valid at once. */
const MAX_VALID_CERTIFICATES = 8;

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

  /** The same, at the device's own wish: bounded, because a device may ask as often as it likes. */
  async rotate(device: DeviceRecord, csrDer: Uint8Array): Promise<CertificateRecord> {
    const { devices, clock } = this.#options;
    const now = clock();
    const valid = devices.certificatesOf(device.deviceId).filter((certificate) =>
      certificate.revokedAt === undefined && certificate.expiresAt > now
    );
    if (valid.length >= MAX_VALID_CERTIFICATES) {
      throw new PalyraError("rate_limited", `The device has ${valid.length} valid certificates; use one of them.`);
    }
    return await this.issue(device, csrDer);
  }

  /** A new certificate for `device` from its CSR; on disk and in force when this resolves. */
  async issue(device: DeviceRecord, csrDer: Uint8Array): Promise<CertificateRecord> {
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
    };
    await store.transaction(async (tx) => {
      const stored = await tx.devices.get(deviceId);
      if (stored?.status !== "paired") {
        throw new PalyraError("device_revoked", "The device is not paired any more.");
      }
      await tx.devices.insertCertificate(certificate);
    });
    devices.putCertificate(certificate);
    return certificate;
  }
}
