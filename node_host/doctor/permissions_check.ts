import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import { type PermissionRow, permissionTable } from "../permissions/permission_table.ts";
import { runningNeeds } from "../permissions/running_needs.ts";
import type { ConfiguredNode } from "./configured_node.ts";

/** Whether Deno grants what palyra-node and each capability that is not denied need; names the flags that are missing. */
export function permissionsCheck(configured: Attempt<ConfiguredNode>): Check {
  const examine = async (): Promise<Finding> => {
    if (configured.value === undefined) return skippedFor("configuration");
    const { config, registry } = configured.value;
    const rows = await permissionTable({ registry, hostNeeds: await runningNeeds(config), givenUp: [] });
    const denied = registry.entries.flatMap(({ rule, definition }) => rule === "deny" ? definition.name : []);
    const missing = rows.filter(({ state, usedBy }) => state === "missing" && !denied.includes(usedBy ?? ""));
    const ofHost = missing.filter(({ usedBy, required }) => usedBy === "palyra-node" && required);
    if (ofHost.length > 0) {
      return failed("permission_missing", `Deno does not let palyra-node use ${purposes(ofHost)}.`, startWith(ofHost));
    }
    if (missing.length === 0) return ok("Deno grants all that is needed for what is not denied.");
    const lesser = missing.filter(({ required, usedBy }) => !required && usedBy !== "palyra-node");
    const grave = missing.filter((row) => !lesser.includes(row));
    if (grave.length === 0) {
      return ok(`Deno grants all that is required; ${users(lesser)} could tell more with ${flags(lesser)}.`);
    }
    return warning(
      "permission_missing",
      `Deno does not grant what ${users(grave)} ${grave.length === 1 ? "needs" : "need"}.`,
      `${startWith(grave)} What is not wanted can be denied: \`deny\` in palyra.toml.`,
    );
  };
  return { name: "permissions", examine };
}

function startWith(rows: readonly PermissionRow[]): string {
  return `Start palyra-node with ${flags(rows)}.`;
}

function flags(rows: readonly PermissionRow[]): string {
  return [...new Set(rows.map(({ flag }) => `\`${flag}\``))].join(" ");
}

function users(rows: readonly PermissionRow[]): string {
  const names = rows.map(({ usedBy, purpose }) => usedBy === "palyra-node" ? purpose : usedBy ?? "");
  return [...new Set(names)].join(", ");
}

function purposes(rows: readonly PermissionRow[]): string {
  return [...new Set(rows.map(({ purpose }) => purpose))].join(", ");
}
