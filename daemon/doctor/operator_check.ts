import { parseCertificateFacts } from "../../identity/certificate_facts.ts";
import type { PalyraError } from "../../identity/palyra_error.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { StatusView } from "../../proto/gen/admin.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, findingOf, ok, skippedFor } from "../../transport/program/doctor/finding.ts";
import { relativeTime } from "../../transport/program/relative_time.ts";
import type { OperatorCredentials } from "../operator_credentials.ts";

/** What {@linkcode operatorCheck} goes by. */
export interface OperatorEvidence {
  readonly credentials: Attempt<OperatorCredentials>;
  /** What the running daemon answered to them; undefined when none runs, or nothing could be asked. */
  readonly status: Promise<Attempt<StatusView> | undefined>;
  readonly isThereState: boolean;
  readonly now: UnixMs;
}

/** Daemons refuse by closing the connection, without a word why; this machine sees by itself whether time is the reason. */
function refusal(
  failure: PalyraError,
  { notBefore, notAfter, now }: { readonly notBefore: UnixMs; readonly notAfter: UnixMs; readonly now: UnixMs },
): Finding {
  if (failure.code !== "certificate_untrusted" || (notBefore <= now && now <= notAfter)) {
    return findingOf("failed", failure);
  }
  const isLate = now > notAfter;
  return failed(
    isLate ? "certificate_expired" : "certificate_not_yet_valid",
    `The running palyrad refuses this machine's operator certificate, which is valid ${
      isLate ? `until ${new Date(notAfter).toISOString()}` : `from ${new Date(notBefore).toISOString()} on`
    }.`,
    "Check this machine's clock; if it is right, run `palyrad restart`, which makes another one.",
  );
}

/** Whether `palyrad` commands of this machine are let in: by the certificate that the daemon keeps for its own operator. */
export function operatorCheck({ credentials, status, isThereState, now }: OperatorEvidence): Check {
  const examine = async (): Promise<Finding> => {
    if (!isThereState) return skippedFor("state_folder");
    if (credentials.failure !== undefined) return findingOf("failed", credentials.failure);
    const answer = await status;
    if (answer?.value !== undefined) return ok("The running palyrad accepts this machine's operator certificate.");
    const { notBefore, notAfter } = parseCertificateFacts(credentials.value.certificatePem);
    if (answer !== undefined) return refusal(answer.failure, { notBefore, notAfter, now });
    const life = notAfter > now
      ? `expires ${relativeTime(notAfter, now)}`
      : "has expired, and the next start renews it";
    return ok(`The operator certificate of this machine is there and ${life}.`);
  };
  return { name: "operator", examine };
}
