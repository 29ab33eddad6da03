import type { UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import { relativeTime } from "../../transport/program/mod.ts";
import { renewalDueAt } from "../renewal_schedule.ts";
import type { HostProcess } from "./host_process.ts";
import type { PairingFiles } from "./pairing_files.ts";

/** Whether the certificate is valid now, and is going to be renewed in time. */
export function certificateCheck(
  files: Attempt<PairingFiles> | undefined,
  host: Attempt<HostProcess>,
  now: UnixMs,
): Check {
  const examine = (): Finding => {
    if (files === undefined) return skippedFor("pairing");
    return files.value === undefined ? skippedFor("credentials") : judge(files.value, host.value, now);
  };
  return { name: "certificate", examine };
}

function judge({ facts }: PairingFiles, host: HostProcess | undefined, now: UnixMs): Finding {
  const { notBefore, notAfter } = facts;
  if (now < notBefore) {
    return failed(
      "certificate_not_yet_valid",
      `The certificate is valid from ${iso(notBefore)} on, and this machine's clock says ${iso(now)}.`,
      "Set this machine's clock, for example by `timedatectl set-ntp true`.",
    );
  }
  if (now > notAfter) {
    return failed(
      "certificate_expired",
      `The certificate expired at ${iso(notAfter)}, and this machine's clock says ${iso(now)}.`,
      "Check this machine's clock; if it is right, let palyra-node run: it gets another one by its device key. Where " +
        "that is forbidden, run `palyra-node pair --force` with a new token.",
    );
  }
  const expires = `expires ${relativeTime(notAfter, now)}`;
  if (host?.running !== true) {
    if (now < renewalDueAt(facts)) return ok(`The certificate ${expires}; it is renewed while palyra-node runs.`);
    return warning(
      "certificate_expired",
      `The certificate ${expires} and should have been renewed, which happens only while palyra-node runs.`,
      "Run `palyra-node run`, or `palyra-node start` where it is installed as a service.",
    );
  }
  const failure = host.connection?.renewalFailure;
  if (failure === undefined) return ok(`The certificate ${expires}; the running palyra-node renews it.`);
  return warning(
    failure.code,
    `The certificate ${expires}, and renewing it has failed: ${failure.message}`,
    `Do what that says; the running palyra-node tries again ${relativeTime(failure.nextTryAt, now)}.`,
  );
}

function iso(at: UnixMs): string {
  return new Date(at).toISOString();
}
