import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { UnixMs } from "../identity/unix_ms.ts";

/** The daemon has said that it will not have this device: trying again cannot help. */
const FINAL_REASONS: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "device_revoked",
  "certificate_revoked",
  "device_unknown",
  "not_paired",
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

/** What a failed try or a session's end means on this machine, with the cure that its owner has. */
export function explainConnectionFailure(
  failure: PalyraError,
  circumstances: { readonly now: UnixMs; readonly certificateExpiresAt: UnixMs },
): PalyraError {
  const { now, certificateExpiresAt } = circumstances;
  const options = { cause: failure };
  switch (failure.code) {
    case "device_revoked":
    case "certificate_revoked":
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
        "Check this machine's clock; if it is right, pair again with `palyra-node pair --force`.",
      options,
    );
  }
  return failure;
}
