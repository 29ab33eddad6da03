import {
  runArguments,
  type ServiceDefinition,
  type ServiceScope,
  visiblePaths,
  writableFolders,
} from "./service_definition.ts";
import { systemdCommand, systemdWord } from "./systemd_quote.ts";

/** How often the program must say that it is alive, in seconds; it does so twice as often. */
export const WATCHDOG_S = 60;

/** What a unit may use before the system ends it: 256 connections need a quarter of it. */
const MEMORY_MAX = "1G";

/** A setting with its value, a comment (a value without a name), or an empty line. */
type Line = readonly [name: string, value: string] | readonly [comment: string] | readonly [];

/**
 * The unit file of a service. Pure: the same definition gives the same text.
 *
 * Three kinds, by what the service manager can do for the program and what the program must still be able to do:
 * - A *system unit* is shut in as far as Deno allows.
 * - A *user unit* lacks what only the machine's manager can do: to drop capabilities, and what systemd does by dropping
 *   them (`PrivateDevices=`, `ProtectClock=`, `ProtectKernelLogs=`, `ProtectKernelModules=`), fails there and would keep
 *   the service from starting. File system rules apply where the user's manager can make namespaces, and do nothing
 *   where it cannot.
 * - A *user unit that starts programs* of the user's own has no restriction at all, because those programs inherit it: a
 *   browser needs system calls of its own, a writable home, and set-uid helpers. There Deno's permissions are the fence,
 *   and stopping the service leaves what it opened alone.
 */
export function systemdUnit(definition: ServiceDefinition, scope: ServiceScope): string {
  const { program } = definition;
  const header = `# Made by \`${program} install\`, which asks for --force before it overwrites what is changed here.`;
  return [
    header,
    section("Unit", unitLines(definition, scope)),
    section("Service", [...serviceLines(definition), [], ...restrictionLines(definition, scope)]),
    section("Install", [["WantedBy", wantedBy(definition, scope)]]),
  ].join("\n");
}

function section(name: string, lines: readonly Line[]): string {
  return [`[${name}]`, ...lines.map(lineText), ""].join("\n");
}

function lineText(line: Line): string {
  if (line.length === 0) return "";
  return line.length === 1 ? `# ${line[0]}` : `${line[0]}=${line[1]}`;
}

function unitLines({ description, desktopSession }: ServiceDefinition, scope: ServiceScope): Line[] {
  const lines: Line[] = [["Description", description.replaceAll("%", "%%")]];
  if (scope === "system") lines.push(["Wants", "network-online.target"], ["After", "network-online.target"]);
  if (desktopSession) {
    lines.push(
      ["Opening things needs the desktop's variables, which the user's manager has from here on."],
      ["After", "graphical-session.target"],
      ["PartOf", "graphical-session.target"],
    );
  }
  return [...lines, ["StartLimitIntervalSec", "300"], ["StartLimitBurst", "5"]];
}

function wantedBy({ desktopSession }: ServiceDefinition, scope: ServiceScope): string {
  if (desktopSession) return "graphical-session.target";
  return scope === "system" ? "multi-user.target" : "default.target";
}

function serviceLines(definition: ServiceDefinition): Line[] {
  const { launch, denoFolder } = definition;
  const lines: Line[] = [
    ["Type", "notify"],
    ["NotifyAccess", "main"],
    ["WatchdogSec", String(WATCHDOG_S)],
    ["ExecStart", systemdCommand(launch.executable, [...launch.args, ...runArguments(definition)])],
    ["Restart", "on-failure"],
    ["RestartSec", "5"],
    ["A wrong configuration (2) or a refused identity (3) is for people to put right."],
    ["RestartPreventExitStatus", "2 3"],
    ["TimeoutStartSec", "90"],
    ["It lets running work finish for 10 seconds."],
    ["TimeoutStopSec", "30"],
  ];
  if (denoFolder !== undefined) lines.push(["Environment", systemdWord(`DENO_DIR=${denoFolder}`)]);
  return lines;
}

function restrictionLines(definition: ServiceDefinition, scope: ServiceScope): Line[] {
  if (definition.startsPrograms) {
    return [
      ["It opens pages and files with the user's own programs. They would inherit any restriction made here, and"],
      ["stopping the service must not close them. What it may do itself is fenced in by Deno's permissions."],
      ["KillMode", "process"],
      ["OOMPolicy", "continue"],
    ];
  }
  const shared: Line[] = [
    ["KillMode", "mixed"],
    ["MemoryMax", MEMORY_MAX],
    ...memoryPolicyLines(definition),
    ["TasksMax", "256"],
    ["A memory image would hold private keys."],
    ["LimitCORE", "0"],
    ["UMask", "0077"],
    ["NoNewPrivileges", "yes"],
    ["ProtectSystem", "strict"],
    ["ReadWritePaths", writableFolders(definition).map(systemdWord).join(" ")],
    // Out of sight, unless the program, its state or its configuration lies there.
    ["ProtectHome", liesIn(HOMES, definition) ? "read-only" : "yes"],
    ["PrivateTmp", liesIn(TEMPORARY, definition) ? "no" : "yes"],
    ["PrivateMounts", "yes"],
    ["ProtectControlGroups", "yes"],
    ["ProtectKernelTunables", "yes"],
    ["RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"],
    ["RestrictNamespaces", "yes"],
    ["RestrictRealtime", "yes"],
    ["RestrictSUIDSGID", "yes"],
    ["LockPersonality", "yes"],
    ["MemoryDenyWriteExecute= is impossible: V8 compiles JavaScript to machine code as it runs."],
    ["SystemCallArchitectures", "native"],
    ["SystemCallFilter", "@system-service @pkey"],
    ["SystemCallFilter", "~@privileged @resources"],
    ["SystemCallErrorNumber", "EPERM"],
  ];
  return scope === "system" ? [...shared, ...systemOnlyLines(definition)] : shared;
}

/** Who runs out of memory at palyra-node may be a capability of its owner's, which has a process of its own. */
function memoryPolicyLines({ program }: ServiceDefinition): Line[] {
  const reason: Line = ["A capability whose process runs out of memory fails; the others and the service go on."];
  return program === "palyra-node" ? [reason, ["OOMPolicy", "continue"]] : [];
}

function systemOnlyLines({ program, owner }: ServiceDefinition): Line[] {
  const lines: Line[] = [
    ["CapabilityBoundingSet", ""],
    ["AmbientCapabilities", ""],
    ["PrivateDevices", "yes"],
    ["ProtectClock", "yes"],
    ["ProtectHostname", "yes"],
    ["ProtectKernelLogs", "yes"],
    ["ProtectKernelModules", "yes"],
    ["ProtectProc", "invisible"],
    ["RemoveIPC", "yes"],
    ["A file that only root may read is handed over, as $CREDENTIALS_DIRECTORY/NAME, by a line like this:"],
    ["LoadCredential=NAME:/etc/palyra/NAME"],
  ];
  // palyra-node reports the machine's load and memory, which are read there.
  if (program === "palyrad") lines.push(["ProcSubset", "pid"]);
  if (owner === undefined || owner.uid === 0) return lines;
  return [["User", String(owner.uid)], ["Group", String(owner.gid)], ...lines];
}

const HOMES = /^\/(home|root|run\/user)(\/|$)/;
const TEMPORARY = /^\/(tmp|var\/tmp)(\/|$)/;

function liesIn(place: RegExp, definition: ServiceDefinition): boolean {
  return visiblePaths(definition).some((path) => place.test(path));
}
