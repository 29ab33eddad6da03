import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok } from "../../transport/program/doctor/finding.ts";
import type { ConfiguredNode } from "./configured_node.ts";

/** Whether the configuration can be read and used. */
export function configurationCheck(configured: Attempt<ConfiguredNode>, path: string): Check {
  const examine = (): Finding => {
    if (configured.failure !== undefined) {
      return findingOf(
        "failed",
        configured.failure,
        `Correct ${path}; \`palyra-node config show\` tells what there is.`,
      );
    }
    const fromFile = configured.value.config.entries.some(({ source }) => source.kind === "file");
    return ok(fromFile ? `${path} can be read, and holds nothing unknown.` : "No setting comes from a file.");
  };
  return { name: "configuration", examine };
}
