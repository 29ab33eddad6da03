import project from "../../deno.json" with { type: "json" };
import { openerCommand } from "../../node_host/capabilities/opener.ts";
import { servicePrograms } from "../../transport/program/service/service_programs.ts";
import type { ReleaseProgramName } from "./release_program.ts";
import type { ReleaseTarget } from "./release_target.ts";

/** What a program asks of its environment (design section 7), by name; `*` stands for any ending. */
const READ_VARIABLES: Readonly<Record<ReleaseTarget["os"], readonly string[]>> = {
  linux: [
    "HOME",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "CREDENTIALS_DIRECTORY",
  ],
  darwin: ["HOME"],
  windows: ["LOCALAPPDATA", "ProgramData", "USERNAME", "USERDOMAIN"],
};
const READ_VARIABLES_EVERYWHERE: readonly string[] = ["PALYRA_*", "NO_COLOR", "TERM"];

/** What libraries ask for and need not be told: they find these unset, where without this they would not even load. */
const HIDDEN_VARIABLES: readonly string[] = [
  "GRPC_*",
  "grpc_proxy",
  "http_proxy",
  "https_proxy",
  "no_grpc_proxy",
  "no_proxy",
];

/** What `system.health` tells, and the host name, which is a device's name until its owner gives another. */
const NODE_SYSTEM_PARTS: readonly string[] = ["hostname", "loadavg", "osRelease", "osUptime", "systemMemoryInfo"];

/** Whose services they are. */
const SERVICE_SYSTEM_PARTS: readonly string[] = ["uid"];

/** How much room the disk has left, which `palyrad doctor` tells, and how long the machine slept, which deadlines count. */
const DAEMON_SYSTEM_PARTS: readonly string[] = ["osUptime", "statfs"];

/** Where a program finds what it may load. */
export interface PermissionPlaces {
  /** QUIC's native addon, absolute where the program runs; undefined where there is none. */
  readonly addonPath: string | undefined;
  /**
   * The Deno that runs the program, with which palyra-node runs capabilities of its owner's own; undefined for an
   * executable, which has none. A host whose owner has none gives it up at its start.
   */
  readonly denoPath?: string | undefined;
}

/**
 * The permissions of a program, as flags of `deno run` and `deno compile` alike: the narrowest that work.
 *
 * Reading, writing and the network have no list: where the state lies and who is reached is decided when the program is
 * started, and Deno takes both lists at build time only. On a service the unit narrows the files (`ProtectSystem=strict`).
 */
export function permissionFlags(
  program: ReleaseProgramName,
  target: ReleaseTarget,
  { addonPath, denoPath }: PermissionPlaces,
): string[] {
  const variables = [...READ_VARIABLES_EVERYWHERE, ...READ_VARIABLES[target.os]];
  const startable = [
    ...startableCommands(program, target),
    ...(program === "palyra-node" && denoPath !== undefined ? [denoPath] : []),
  ];
  return [
    "--allow-read",
    "--allow-write",
    "--allow-net",
    `--allow-env=${variables.join(",")}`,
    `--ignore-env=${HIDDEN_VARIABLES.join(",")}`,
    `--allow-sys=${systemParts(program).join(",")}`,
    ...(startable.length === 0 ? [] : [`--allow-run=${startable.join(",")}`]),
    ...(addonPath === undefined ? [] : [`--allow-ffi=${addonPath}`]),
    // No code comes from elsewhere than the program itself.
    "--deny-import",
  ];
}

function startableCommands(program: ReleaseProgramName, { os }: ReleaseTarget): readonly string[] {
  switch (program) {
    case "palyrad":
      return servicePrograms(os);
    case "palyra-node":
      return [openerCommand(os), ...servicePrograms(os)];
    case "palyra-node-headless":
      return [];
  }
}

function systemParts(program: ReleaseProgramName): readonly string[] {
  return [...(program === "palyrad" ? DAEMON_SYSTEM_PARTS : NODE_SYSTEM_PARTS), ...SERVICE_SYSTEM_PARTS];
}

/** What is no permission but belongs to every start: nobody is asked, nothing is cached, what `deno.json` switches on is on. */
export const RUNTIME_FLAGS: readonly string[] = [
  "--no-prompt",
  "--no-code-cache",
  ...project.unstable.map((feature) => `--unstable-${feature}`),
];
