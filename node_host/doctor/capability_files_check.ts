import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, ok, warning } from "../../transport/program/doctor/finding.ts";
import type { ConfiguredNode } from "./configured_node.ts";

/** Files that a finding names. */
const MAX_NAMED = 5;

/** Whether each file of the owner's folder of capabilities can be used; no check where none is configured. */
export function capabilityFilesChecks(configured: Attempt<ConfiguredNode>): Check[] {
  const folder = configured.value?.config.capabilitiesFolder;
  if (configured.value === undefined || folder === undefined) return [];
  const { leftOut } = configured.value;
  const examine = (): Finding => {
    if (leftOut.length === 0) return ok(`Each capability file in ${folder} can be used.`);
    const named = leftOut.slice(0, MAX_NAMED).map(({ file, reason }) => `${file}: ${reason}`).join(" ");
    const more = leftOut.length > MAX_NAMED ? ` And ${leftOut.length - MAX_NAMED} more.` : "";
    return warning(
      "invalid_config",
      `Capability files that are left out of ${folder}: ${leftOut.length}. ${named}${more}`,
      "Correct them and restart palyra-node; `palyra-node capabilities` shows all of them.",
    );
  };
  return [{ name: "capability_files", examine }];
}
