import { formatEndpoint } from "../../identity/endpoint.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, ok } from "../../transport/program/doctor/finding.ts";
import type { DaemonConfig } from "../daemon_config.ts";

/** Something that palyrad cannot do without, and the flag that gives it. */
interface Need {
  readonly descriptor: Deno.PermissionDescriptor;
  readonly flag: string;
  readonly purpose: string;
}

/** Whether Deno grants what palyrad needs; what QUIC needs is for `quic_library` to say. */
export function permissionsCheck(stateFolder: string, config: Attempt<DaemonConfig>): Check {
  const examine = async (): Promise<Finding> => {
    const needs = [...folderNeeds(stateFolder), ...config.value === undefined ? [] : portNeeds(config.value)];
    const states = await Promise.all(needs.map(({ descriptor }) => Deno.permissions.query(descriptor)));
    const missing = needs.filter((_, at) => states[at]?.state !== "granted");
    if (missing.length === 0) return ok("Deno grants all that palyrad needs.");
    return failed(
      "permission_missing",
      `Deno does not let palyrad ${missing.map(({ purpose }) => purpose).join(", ")}.`,
      `Start palyrad with ${missing.map(({ flag }) => `\`${flag}\``).join(" ")}.`,
    );
  };
  return { name: "permissions", examine };
}

function folderNeeds(path: string): Need[] {
  return [
    { descriptor: { name: "read", path }, flag: `--allow-read=${path}`, purpose: "read its state folder" },
    { descriptor: { name: "write", path }, flag: `--allow-write=${path}`, purpose: "write to its state folder" },
  ];
}

function portNeeds({ nodeRpc, enrolment }: DaemonConfig): Need[] {
  const { hostname } = nodeRpc;
  const listen = (port: number, purpose: string): Need => {
    const host = formatEndpoint({ host: hostname, port });
    return { descriptor: { name: "net", host }, flag: `--allow-net=${host}`, purpose };
  };
  return [
    listen(nodeRpc.port, "listen for nodes"),
    ...enrolment.enabled ? [listen(enrolment.port, "listen for devices that pair")] : [],
  ];
}
