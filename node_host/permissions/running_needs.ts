import { dirname } from "node:path";
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
  const { stateFolder, transport, logging: { file: logFile } } = config;
  const record = await readNodeHostRecord(stateFolder);
  return [
    needed("its state", { name: "read", path: stateFolder }),
    needed("its state", { name: "write", path: stateFolder }),
    ...(logFile === undefined ? [] : [needed("its log", { name: "write", path: dirname(logFile) })]),
    ...daemonNetworks(record?.nodeEndpoints ?? []).map((network) => needed("the daemon", network)),
    useful("palyra-node requests", { name: "net", host: commandHost(stateFolder) }),
    ...(transport.preference === "grpc" ? [] : [useful("QUIC", { name: "ffi" })]),
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

/** Where the owner's commands reach the host, as Deno names it. */
function commandHost(stateFolder: string): string {
  const address = channelAddress(stateFolder);
  return address.kind === "socket" ? `unix:${address.path}` : "127.0.0.1";
}

// The service manager's programs, and whose service it is: for `install`, `start`, `stop` and their like.
const SERVICE_COMMANDS: Readonly<Record<string, readonly string[]>> = {
  linux: ["/usr/bin/systemctl", "/bin/systemctl"],
  darwin: ["/bin/launchctl", "/usr/bin/id"],
  windows: [
    "C:\\Windows\\System32\\schtasks.exe",
    "C:\\Windows\\System32\\icacls.exe",
    "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
  ],
};

/** What palyra-node's other verbs may have been granted and a running host never uses. */
export function idlePermissions(os: string = Deno.build.os): Deno.PermissionDescriptor[] {
  return [
    ...(SERVICE_COMMANDS[os] ?? []).map((command) => ({ name: "run", command } as const)),
    { name: "sys", kind: "uid" },
  ];
}
