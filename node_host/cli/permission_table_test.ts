import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type PermissionTableSubject, testPermissionTable } from "../testing/permission_table_tests.ts";
import type { ScriptedHost, ScriptedTransport } from "../testing/scripted_host.ts";

const MAIN = fileURLToPath(import.meta.resolve("../main.ts"));

/** The narrowest flags with which palyra-node works from source, its capabilities aside. */
function hostFlags({ stateRoot }: ScriptedHost, transport: ScriptedTransport): string[] {
  const socket = join(stateRoot, "node-host", "requests.sock");
  return [
    // QUIC sends from any address of its own.
    `--allow-net=127.0.0.1,0.0.0.0,unix:${socket}`,
    `--allow-read=${stateRoot}`,
    `--allow-write=${stateRoot}`,
    "--allow-env=PALYRA_*,NO_COLOR,TERM,NOTIFY_SOCKET,WATCHDOG_*",
    "--ignore-env=GRPC_*,grpc_proxy,http_proxy,https_proxy,no_grpc_proxy,no_proxy",
    ...(transport === "quic" ? ["--allow-ffi"] : []),
  ];
}

function capabilityFlags({ opener, openRoot }: ScriptedHost): string[] {
  return [
    `--allow-run=${opener.command}`,
    `--allow-read=${openRoot}`,
    "--allow-sys=hostname,loadavg,osRelease,osUptime,systemMemoryInfo",
  ];
}

function fromSource(transport: ScriptedTransport): PermissionTableSubject {
  return {
    name: `from source over ${transport}`,
    transport,
    command: (withPermissions, host) =>
      Promise.resolve([
        ...[Deno.execPath(), "run", "--quiet", "--no-prompt", "--unstable-net"],
        ...hostFlags(host, transport),
        ...(withPermissions ? capabilityFlags(host) : []),
        MAIN,
      ]),
  };
}

testPermissionTable(fromSource("grpc"));
testPermissionTable(fromSource("quic"));
