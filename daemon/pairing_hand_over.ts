import { getLogger } from "@logtape/logtape";
import { parseCertificateRequest } from "../identity/certificate_request.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import type { IssuedCertificate } from "../identity/issued_certificate.ts";
import type { Clock, UnixMs } from "../identity/unix_ms.ts";
import { DAEMON_ACTOR, deviceActor } from "./audit/audit_act.ts";
import { enterCertificate, revokeCertificates } from "./certificate_ledger.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { SUPERSEDED } from "./pairing_admission.ts";
import { pairingNotFound, takesOver } from "./pairing_decision.ts";
import { rejectPairing } from "./pairing_rejection.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "pairing"]);

/** A pairing request with the certificate, once the device may have it. */
export interface PairingStatus {
  readonly request: PairingRequestRecord;
  readonly certificate: CertificateRecord | undefined;
}

/** What {@linkcode PairingHandOver} needs. */
export interface PairingHandOverOptions {
  readonly store: Store;
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly clock: Clock;
  /** Life of a client certificate, in milliseconds. */
  readonly certificateValidityMs: number;
}

/** What a transaction of {@linkcode PairingHandOver} led to; `fresh` when the certificate was stored by it. */
interface HandOver extends PairingStatus {
  readonly fresh: boolean;
}

/** Hands an approved device its certificate: the last step of a pairing. */
export class PairingHandOver {
  readonly #options: PairingHandOverOptions;

  constructor(options: PairingHandOverOptions) {
    this.#options = options;
  }

  /**
   * Issues the certificate of an approved request, once: asking again returns the same one. The device must still be
   * the one that was approved. If it was revoked or its id given to another key since, the request is `rejected` with
   * the reason. Throws `pairing_not_found` when the device was removed and the request with it.
   */
  async give(approved: PairingRequestRecord): Promise<PairingStatus> {
    const { store, clock, devices } = this.#options;
    // Signing takes a while, and a transaction must wait for nothing else.
    const issued = approved.state === "approved" ? await this.#issue(approved) : undefined;
    const now = clock();
    const { request, certificate, fresh } = await store.transaction(async (tx): Promise<HandOver> => {
      const stored = await tx.pairing.getRequest(approved.requestId);
      if (stored === undefined) throw pairingNotFound();
      if (stored.state === "completed") return { ...await handedOver(tx, stored), fresh: false };
      if (stored.state !== "approved" || issued === undefined) {
        return { request: stored, certificate: undefined, fresh: false };
      }
      const refused = await refusal(tx, stored);
      if (refused !== undefined) {
        await rejectPairing(tx, refused, DAEMON_ACTOR, now);
        return { request: refused, certificate: undefined, fresh: false };
      }
      return { ...await complete(tx, stored, issued, now), fresh: true };
    });
    if (fresh && certificate !== undefined) {
      devices.revokeCertificates(request.deviceId, now, SUPERSEDED);
      devices.putCertificate(certificate);
      log.info("Device paired.", { deviceId: request.deviceId, certificate: certificate.fingerprint });
    }
    return { request, certificate };
  }

  async #issue(request: PairingRequestRecord): Promise<IssuedCertificate> {
    const { identity, certificateValidityMs } = this.#options;
    const { publicKey } = parseCertificateRequest(request.csrDer, request.deviceId);
    return await identity.issueClientCertificate({
      deviceId: request.deviceId,
      clientKind: request.clientKind,
      publicKey,
      validityMs: certificateValidityMs,
    });
  }
}

/** The request as its device is refused it; undefined when the device is still the one that was approved. */
async function refusal(
  tx: StoreTransaction,
  request: PairingRequestRecord,
): Promise<PairingRequestRecord | undefined> {
  const device = await tx.devices.get(request.deviceId);
  const rejected = (decisionReason: string): PairingRequestRecord => ({
    ...request,
    state: "rejected",
    decisionReason,
  });
  if (device === undefined) return rejected("the device was removed after its approval");
  if (device.status !== "paired") return rejected("the device was revoked after its approval");
  return takesOver(request, device) ? rejected(SUPERSEDED) : undefined;
}

/** What a device gets that asks again. The record of a completed pairing stays as it is, whatever came after it. */
async function handedOver(tx: StoreTransaction, request: PairingRequestRecord): Promise<PairingStatus> {
  const { certificateFingerprint } = request;
  const certificate = certificateFingerprint && await tx.devices.getCertificate(certificateFingerprint);
  if (!certificate || certificate.revokedAt !== undefined) {
    const decisionReason = certificate?.revokedReason ?? "its certificate is gone";
    return { request: { ...request, state: "rejected", decisionReason }, certificate: undefined };
  }
  return { request, certificate };
}

async function complete(
  tx: StoreTransaction,
  request: PairingRequestRecord,
  issued: IssuedCertificate,
  now: UnixMs,
): Promise<PairingStatus> {
  const certificate: CertificateRecord = {
    fingerprint: issued.fingerprint,
    deviceId: request.deviceId,
    issuedAt: issued.issuedAt,
    expiresAt: issued.expiresAt,
    pem: issued.certificatePem,
    caFingerprint: issued.caFingerprint,
  };
  const completed: PairingRequestRecord = {
    ...request,
    state: "completed",
    certificateFingerprint: issued.fingerprint,
  };
  const actor = deviceActor(request.deviceId);
  await revokeCertificates(tx, request.deviceId, { at: now, reason: SUPERSEDED, actor });
  await enterCertificate(tx, certificate, "certificate.issued", actor);
  await tx.pairing.updateRequest(completed);
  await tx.audit.append({
    kind: "pairing.handed_over",
    actor,
    subject: request.requestId,
    details: { device_id: request.deviceId, certificate_fingerprint: issued.fingerprint },
  }, now);
  return { request: completed, certificate };
}
