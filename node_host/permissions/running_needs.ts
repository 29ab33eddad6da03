import { dirname } from "node:path";
import { servicePrograms } from "../../transport/program/service/service_programs.ts";
import { quicheAddonFile } from "../../transport/quic/quiche_addon.ts";
import type { PermissionNeed } from "../capabilities/mod.ts";
import { channelAddress } from "../mediation/channel_address.ts";
import type { NodeConfig } from "../node_config.ts";
import { readNodeHostRecord } from "../node_host_record.ts";

/** A permission that palyra-node itself uses while it runs, and what for. */
export interface HostNeed extends PermissionNeed {
  /** A few words for people: `its state`. */
  readonly purpose: string;
}

/** The permissions of a running host with this configuration, its capabilities aside. Changes nothing on the disk. */
export async function runningNeeds(config: NodeConfig): Promise<HostNeed[]> {
  const { stateFolder, transport, capabilitiesFolder, logging: { file: logFile } } = config;
  const record = await readNodeHostRecord(stateFolder);
  return [
    needed("its state", { name: "read", path: stateFolder }),
    needed("its state", { name: "write", path: stateFolder }),
    ...(capabilitiesFolder === undefined
      ? []
      : [needed("your capabilities", { name: "read", path: capabilitiesFolder })]),
    ...(logFile === undefined ? [] : [needed("its log", { name: "write", path: dirname(logFile) })]),
    ...daemonNetworks(record?.nodeEndpoints ?? []).map((network) => needed("the daemon", network)),
    ...(config.recovery ? daemonNetworks(record?.enrolmentEndpoints ?? []) : []).map((network) =>
      useful("recovery", network)
    ),
    useful("palyra-node requests", { name: "net", host: commandHost(stateFolder) }),
    ...(transport.preference === "grpc" ? [] : [useful("QUIC", quicLibrary())]),
  ];
}

function needed(purpose: string, descriptor: Deno.PermissionDescriptor): HostNeed {
  return { purpose, descriptor, required: true };
}

function useful(purpose: string, descriptor: Deno.PermissionDescriptor): HostNeed {
  return { purpose, descriptor, required: false };
}

/** Before the pairing nobody knows where the daemon is. */
function daemonNetworks(endpoints: readonly string[]): Deno.PermissionDescriptor[] {
  return endpoints.length === 0 ? [{ name: "net" }] : endpoints.map((host) => ({ name: "net", host }));
}

/** A release may load that one file and no other. */
function quicLibrary(): Deno.FfiPermissionDescriptor {
  const path = quicheAddonFile();
  return path === undefined ? { name: "ffi" } : { name: "ffi", path };
}

/** Where the owner's commands reach the host, as Deno names it. */
function commandHost(stateFolder: string): string {
  const address = channelAddress(stateFolder);
  return address.kind === "socket" ? `unix:${address.path}` : "127.0.0.1";
}

/**
 * What palyra-node may have been granted and a running host never uses: what other verbs do, and the Deno that would run
 * capabilities of the owner's own where there are none.
 */
export function idlePermissions(os: string = Deno.build.os): Deno.PermissionDescriptor[] {
  return [
    ...servicePrograms(os).map((command) => ({ name: "run", command } as const)),
    ...(Deno.build.standalone ? [] : [{ name: "run", command: Deno.execPath() } as const]),
    { name: "sys", kind: "uid" },
  ];
}
