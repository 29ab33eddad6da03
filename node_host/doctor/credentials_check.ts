import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok, skippedFor } from "../../transport/program/doctor/finding.ts";
import type { PairingFiles } from "./pairing_files.ts";

/** Whether keys, certificate and CA are there and belong together. */
export function credentialsCheck(files: Attempt<PairingFiles> | undefined): Check {
  const examine = (): Finding => {
    if (files === undefined) return skippedFor("pairing");
    if (files.failure !== undefined) return findingOf("failed", files.failure);
    return ok("Keys, certificate and the pinned CA belong together.");
  };
  return { name: "credentials", examine };
}
