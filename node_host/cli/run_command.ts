import { PalyraError } from "../../identity/palyra_error.ts";
import {
  type CliCommand,
  configureLogging,
  newCommand,
  print,
  printableText,
  printJson,
  PROJECT_VERSION,
  shutdownSignal,
} from "../../transport/program/mod.ts";
import { capabilitySet } from "../capability_set.ts";
import { runNodeHost } from "../node_host.ts";
import type { NodeHostRecord } from "../node_host_record.ts";
import { NodeHostState } from "../node_host_state.ts";
import { loadNodeConfig } from "../node_config.ts";
import { CONFIG_OPTION, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [
  { command: "palyra-node run", explanation: "in the foreground, until Ctrl-C" },
  {
    command: "palyra-node run --deny desktop.open_url",
    explanation: "without that capability, whatever is configured",
  },
  { command: "palyra-node run --transport grpc", explanation: "over TCP only, where a firewall drops UDP anyway" },
];

/** `palyra-node run`. */
export function runCommand(): CliCommand {
  const command = newCommand("run", "Connect to the daemon and run what it dispatches.", EXAMPLES);
  command
    .option("--deny <name...>", "never run these capabilities")
    .option(
      "--transport <auto|quic|grpc>",
      "how to reach the daemon: auto takes QUIC where UDP gets through, falls back to gRPC where it does not, and goes " +
        "back when it can; `palyra-node status` says which one it is and why (default: auto)",
    )
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { stateRoot, config: configFile, transport } = options;
      const config = await loadNodeConfig({ stateRoot, config: configFile, transport });
      configureLogging(config.logging);
      using shutdown = shutdownSignal();
      const registry = capabilitySet(config, options.deny);
      using state = await NodeHostState.open(config.stateFolder);
      const capabilityCount = (await registry.declarations()).length;
      await runNodeHost({
        state,
        registry,
        maxConcurrency: config.maxConcurrency,
        deviceName: config.deviceName,
        transport: config.transport,
        onStart: (record) => showStart(record, capabilityCount, options.json === true),
      }, shutdown.signal).catch((thrown: unknown) => {
        if (!shutdown.signal.aborted) throw thrown;
        // What goes wrong while stopping is worth a word unless it is the stopping itself.
        const error = PalyraError.from(thrown);
        if (error.code !== "cancelled") throw error;
      });
    });
  return command;
}

function showStart(record: NodeHostRecord, capabilityCount: number, json: boolean): void {
  if (json) {
    printJson({
      action: "run",
      device_id: record.deviceId,
      device_name: record.deviceName,
      daemon_endpoints: record.nodeEndpoints,
      paired: true,
      capability_count: capabilityCount,
      pid: Deno.pid,
      software_version: PROJECT_VERSION,
    });
    return;
  }
  const name = printableText(record.deviceName);
  print(`${name} (${record.deviceId}) serves the daemon at ${record.nodeEndpoints.join(", ")}. Ctrl-C stops it.`);
}
