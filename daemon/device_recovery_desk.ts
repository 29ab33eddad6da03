import { getLogger } from "@logtape/logtape";
import type { CanonicalUlid, DeviceId } from "../identity/device_id.ts";
import { verifyRecovery } from "../identity/device_recovery.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { type Clock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { DAEMON_ACTOR } from "./audit/audit_act.ts";
import { type CertificateIssuer, MAX_VALID_CERTIFICATES } from "./certificate_issuer.ts";
import { enterRecoveredCertificate } from "./certificate_ledger.ts";
import { type CertificateChanges, supersede } from "./certificate_succession.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import { recoveryAlarm } from "./recovery_alarm.ts";
import { type RecoveryChallenge, RecoveryChallenges } from "./recovery_challenges.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import type { StoreTransaction } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "recovery"]);

/** Recoveries of one device within {@linkcode RECOVERY_WINDOW_MS}. */
export const MAX_RECOVERIES_PER_DEVICE = 6;

/** The sliding window of that rate, in milliseconds: one hour. */
export const RECOVERY_WINDOW_MS = 3_600_000;

/** What {@linkcode DeviceRecoveryDesk} needs. */
export interface DeviceRecoveryDeskOptions {
  readonly identity: IdentityManager;
  readonly devices: DeviceRegistry;
  readonly issuer: CertificateIssuer;
  readonly clock: Clock;
  /** False: no device may recover. */
  readonly allowed: boolean;
  /** The enrolment listener's certificate of the moment. */
  readonly serverCertificateFingerprint: () => Fingerprint;
  /** From where a session of the device stands, `host:port`; undefined when none does. */
  readonly sessionAddress: (deviceId: DeviceId) => string | undefined;
  /** From where the latest one stood, as far as that is known. */
  readonly lastSessionAddress: (deviceId: DeviceId) => string | undefined;
}

/** A device's answer to its challenge. */
export interface RecoveryAnswer {
  readonly recoveryId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly csrDer: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Where a device comes back whose certificate is of no use any more: it proves its device key and gets another certificate
 * (design section 3). The ones it has stay valid until it uses the new one, as in a renewal.
 */
export class DeviceRecoveryDesk {
  readonly #options: DeviceRecoveryDeskOptions;
  readonly #challenges: RecoveryChallenges;

  constructor(options: DeviceRecoveryDeskOptions) {
    this.#options = options;
    this.#challenges = new RecoveryChallenges(options.clock);
  }

  /**
   * Gives a challenge, also where nobody may recover: a device believes a final word only once it has seen, by what comes
   * with the challenge, that this is its daemon. Nothing is said about the device before it has proved its key. Throws
   * `rate_limited`.
   */
  begin(deviceId: DeviceId, remoteAddress: string): RecoveryChallenge {
    const { identity, serverCertificateFingerprint } = this.#options;
    return this.#challenges.make(deviceId, hostOf(remoteAddress), {
      caFingerprint: identity.ca.fingerprint,
      serverCertificateFingerprint: serverCertificateFingerprint(),
    });
  }

  /**
   * Takes the answer and issues the certificate, once for each challenge. Throws `recovery_unknown`, `device_unknown`,
   * `recovery_proof_failed`, and to a device that has proved its key `device_revoked`, `recovery_forbidden`,
   * `invalid_certificate_request` or `rate_limited`.
   */
  async complete(answer: RecoveryAnswer, remoteAddress: string): Promise<CertificateRecord> {
    const { devices, issuer, allowed } = this.#options;
    const { recoveryId, deviceId, csrDer, signature } = answer;
    const address = hostOf(remoteAddress);
    try {
      const challenge = this.#challenges.take(recoveryId, deviceId);
      const device = devices.get(deviceId);
      // The operator of this machine has no device key: who owns the state folder needs no recovery.
      if (device === undefined || device.publicKey.length === 0) throw deviceUnknown();
      verifyRecovery(device.publicKey, { ...challenge, csrDer }, signature);
      if (device.status === "revoked") throw deviceRevoked(device);
      if (!allowed) throw nobodyRecovers();
      const certificate = await issuer.issueWith(
        device,
        csrDer,
        (tx, issued, stored) => this.#enter(tx, issued, stored, address),
      );
      log.info("A device recovered: it proved its device key and was given a certificate.", {
        deviceId,
        remoteAddress: address,
        fingerprint: certificate.fingerprint,
      });
      const alarm = devices.get(deviceId)?.recoveryAlarm;
      if (alarm !== undefined) {
        log.warn("Somebody else may have a copy of a device's key. {alarm}", {
          deviceId,
          remoteAddress: address,
          alarm,
        });
      }
      return certificate;
    } catch (error) {
      log.warn("A recovery was refused.", { deviceId, remoteAddress: address, error });
      throw error;
    }
  }

  async #enter(
    tx: StoreTransaction,
    certificate: CertificateRecord,
    device: DeviceRecord,
    address: string,
  ): Promise<CertificateChanges> {
    const { deviceId } = device;
    const at = certificate.issuedAt;
    if (!device.recoveryAllowed) throw recoveryForbidden();
    const since = unixMs(Math.max(0, at - RECOVERY_WINDOW_MS + 1));
    const recoveries = await tx.recoveries.list(deviceId, since);
    // What lies in the future is from before the clock was put back, and must not keep the device out until then.
    const recent = recoveries.filter((each) => each.at >= since && each.at <= at);
    if (recent.length >= MAX_RECOVERIES_PER_DEVICE) throw tooManyRecoveries();
    const certificates = await tx.devices.certificatesOf(deviceId);
    const session = this.#options.sessionAddress(deviceId);
    const lastSession = this.#options.lastSessionAddress(deviceId);
    const alarm = recoveryAlarm({
      at,
      remoteAddress: address,
      sessionAddress: session && hostOf(session),
      lastSessionAddress: lastSession && hostOf(lastSession),
      certificates,
      recoveries,
    });
    const superseded = await makeRoom(tx, certificates, at);
    await enterRecoveredCertificate(tx, certificate, address);
    await tx.recoveries.enter({ deviceId, at, remoteAddress: address, fingerprint: certificate.fingerprint }, since);
    const recovered: DeviceRecord = {
      ...device,
      recoveryCount: device.recoveryCount + 1,
      ...(alarm !== undefined && { recoveryAlarm: alarm }),
    };
    await tx.devices.put(recovered);
    if (alarm !== undefined) {
      await tx.events.append(deviceId, { name: "device.recovery_alarm", payload: { reason: alarm } }, at);
      const details = { reason: alarm };
      await tx.audit.append({ kind: "device.recovery_alarm", actor: DAEMON_ACTOR, subject: deviceId, details }, at);
    }
    return { device: recovered, certificates: superseded };
  }
}

/** Certificates whose replies were lost must not keep the device from another one: the oldest of too many end. */
async function makeRoom(
  tx: StoreTransaction,
  certificates: readonly CertificateRecord[],
  at: UnixMs,
): Promise<CertificateRecord[]> {
  const valid = certificates.filter(({ revokedAt, expiresAt }) => revokedAt === undefined && expiresAt > at);
  return await supersede(tx, valid.slice(0, Math.max(0, valid.length - MAX_VALID_CERTIFICATES + 1)), at);
}

function hostOf(remoteAddress: string): string {
  return remoteAddress.replace(/:\d+$/, "");
}

function deviceUnknown(): PalyraError {
  return new PalyraError(
    "device_unknown",
    "This daemon has no such device with a device key. Pair again: `palyrad pairing code`, then `palyra-node pair --force`.",
  );
}

function deviceRevoked({ revokedReason = "" }: DeviceRecord): PalyraError {
  const why = revokedReason === "" ? "" : `: ${revokedReason}`;
  return new PalyraError(
    "device_revoked",
    `This device was revoked by the daemon's operator${why}. To use it again, remove it there and pair it anew.`,
  );
}

function nobodyRecovers(): PalyraError {
  return new PalyraError(
    "recovery_forbidden",
    "This daemon lets no device recover (`enrolment.recovery = false`). Pair again with `palyra-node pair --force`, or " +
      "have its operator allow it.",
  );
}

function recoveryForbidden(): PalyraError {
  return new PalyraError(
    "recovery_forbidden",
    "The daemon's operator does not let this device recover. Have it allowed there (`palyrad devices recovery DEVICE " +
      "--allow`), or pair again with `palyra-node pair --force`.",
  );
}

function tooManyRecoveries(): PalyraError {
  return new PalyraError(
    "rate_limited",
    `The device has recovered ${MAX_RECOVERIES_PER_DEVICE} times within an hour; it may again in an hour. If it is set up ` +
      "twice from one copy, unpair one of the two with `palyra-node unpair --local` and pair it again.",
  );
}
