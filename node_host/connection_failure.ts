import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { UnixMs } from "../identity/unix_ms.ts";

/** The daemon has said that it will not have this device: trying again cannot help. */
const FINAL_REASONS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "device_revoked",
  "certificate_revoked",
  "device_unknown",
  "not_paired",
  "recovery_forbidden",
]);

/** The daemon has said that it will not have this device's certificate or does not know it: only a recovery can help. */
const RECOVERY_REASONS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "certificate_expired",
  "certificate_superseded",
  "certificate_untrusted",
  "certificate_revoked",
  // The daemon may have been restored from a backup that is older than the certificate.
  "device_unknown",
  // Its CA may have changed while this machine was away.
  "daemon_untrusted",
]);

/** How a daemon that does not say why refuses a certificate, among other things. */
const CERTIFICATE_REFUSALS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "certificate_untrusted",
  "certificate_expired",
  "certificate_missing",
  "connection_lost",
]);

/** Whether trying again is pointless. */
export function isFinalRefusal(code: ReasonCode): boolean {
  return FINAL_REASONS.has(code);
}

/** Whether another certificate, got by the device key, may help. */
export function callsForRecovery(code: ReasonCode): boolean {
  return RECOVERY_REASONS.has(code);
}

/** A failure together with why the recovery from it failed; a final word of the daemon stands for itself. */
export function explainFailedRecovery(failure: PalyraError, recovery: PalyraError): PalyraError {
  if (isFinalRefusal(recovery.code)) return recovery;
  if (recovery.code === "clock_off") return recovery;
  // What is final without a recovery is so when none can be had, and not when it may be had later.
  const code = isFinalRefusal(failure.code) && recovery.code !== "daemon_unreachable" ? recovery.code : failure.code;
  if (recovery === failure) return failure;
  return new PalyraError(code, `${failure.message} Recovery by the device key has failed: ${recovery.message}`, {
    cause: recovery,
  });
}

/** Whether a failure stands only because nothing answered where a recovery was tried. */
export function isUnansweredRecovery({ cause }: PalyraError): boolean {
  return cause instanceof PalyraError && cause.code === "daemon_unreachable";
}

/** What a failed try or a session's end means on this machine, with the cure that its owner has. */
export function explainConnectionFailure(
  failure: PalyraError,
  circumstances: { readonly now: UnixMs; readonly certificateExpiresAt: UnixMs },
): PalyraError {
  const { now, certificateExpiresAt } = circumstances;
  const options = { cause: failure };
  switch (failure.code) {
    case "certificate_revoked":
      return new PalyraError(
        failure.code,
        "The daemon has revoked this machine's certificate. Unless it gets another one by its device key, run " +
          "`palyra-node unpair --local`, then `palyra-node pair` with a new token from the daemon's operator.",
        options,
      );
    case "recovery_forbidden":
      return new PalyraError(
        failure.code,
        "The daemon does not let this machine come back by its device key. Have its operator allow it (`palyrad devices " +
          "recovery DEVICE --allow`), or run `palyra-node pair --force` with a new token.",
        options,
      );
    case "device_revoked":
      return new PalyraError(
        failure.code,
        "The daemon has revoked this machine. To use it again, run `palyra-node unpair --local`, then " +
          "`palyra-node pair` with a new token from its operator.",
        options,
      );
    case "device_unknown":
    case "not_paired":
      return new PalyraError(
        "device_unknown",
        "The daemon does not know this machine: it was removed there, or the daemon was set up anew. Run " +
          "`palyra-node unpair --local`, then `palyra-node pair` with a new token.",
        options,
      );
    case "session_replaced":
      return new PalyraError(
        failure.code,
        "Another palyra-node with this machine's identity has connected. If the state folder was copied, unpair one " +
          "of the two with `palyra-node unpair --local` and pair it again.",
        options,
      );
    default:
      break;
  }
  if (CERTIFICATE_REFUSALS.has(failure.code) && now > certificateExpiresAt) {
    return new PalyraError(
      "certificate_expired",
      `This machine's certificate expired at ${
        new Date(certificateExpiresAt).toISOString()
      }, so the daemon refuses it. ` +
        "It gets another one by its device key where it may; else check this machine's clock, and if that is right, pair " +
        "again with `palyra-node pair --force`.",
      options,
    );
  }
  return failure;
}
