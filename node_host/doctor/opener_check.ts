import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import { SystemOpener } from "../capabilities/mod.ts";
import type { ConfiguredNode } from "./configured_node.ts";

/** Whether the program is there that opens pages and files for the owner. */
export function openerCheck(configured: Attempt<ConfiguredNode>): Check {
  const examine = async (): Promise<Finding> => {
    if (configured.value === undefined) return skippedFor("configuration");
    const { config, registry } = configured.value;
    const opener = new SystemOpener(config.opener === undefined ? {} : { command: config.opener });
    const users = registry.entries.filter(({ rule, definition }) =>
      rule !== "deny" &&
      definition.permissions.some(({ descriptor }) =>
        descriptor.name === "run" && descriptor.command === opener.command
      )
    );
    if (users.length === 0) return ok("No capability that is not denied opens anything.");
    const obstacle = await opener.obstacle();
    if (obstacle === undefined) return ok(`${opener.command} opens pages and files.`);
    return warning(
      "capability_unavailable",
      `The program ${opener.command}, which opens pages and files, is not on this machine.`,
      "Install it (on Linux: xdg-utils), name another by `opener` in palyra.toml, or `deny` what would use it.",
    );
  };
  return { name: "opener", examine };
}
