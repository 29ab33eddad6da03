import { resolve } from "node:path";
import { getLogger } from "@logtape/logtape";
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
import { ServiceNotifier } from "../../transport/program/service/service_notifier.ts";
import { permissionFlag } from "../capabilities/mod.ts";
import { capabilitySet, logLeftOut } from "../capability_set.ts";
import { connectionNotice } from "../connection_notice.ts";
import { ownTerminal } from "../mediation/mod.ts";
import { runNodeHost } from "../node_host.ts";
import type { NodeHostRecord } from "../node_host_record.ts";
import { NodeHostState } from "../node_host_state.ts";
import { loadNodeConfig } from "../node_config.ts";
import { giveUpPermissions } from "../permissions/given_up_permissions.ts";
import { runningNeeds } from "../permissions/running_needs.ts";
import { CAPABILITIES_OPTION, CONFIG_OPTION, STATE_ROOT_OPTION } from "./shared_options.ts";

const logger = getLogger(["palyra", "node_host", "permissions"]);

const EXAMPLES = [
  { command: "palyra-node run", explanation: "in the foreground, until Ctrl-C" },
  {
    command: "palyra-node run --deny desktop.open_url",
    explanation: "without that capability, whatever is configured",
  },
  {
    command: "palyra-node run --capabilities ~/capabilities",
    explanation: "with capabilities of your own: the files in that folder",
  },
  { command: "palyra-node run --transport grpc", explanation: "over TCP only, where a firewall drops UDP anyway" },
];

/** `palyra-node run`. */
export function runCommand(): CliCommand {
  const command = newCommand("run", "Connect to the daemon and run what it dispatches.", EXAMPLES);
  command
    .option("--deny <name...>", "never run these capabilities")
    .option(...CAPABILITIES_OPTION)
    .option(
      "--transport <auto|quic|grpc>",
      "how to reach the daemon: auto takes QUIC where UDP gets through, falls back to gRPC where it does not, and goes " +
        "back when it can; `palyra-node status` says which one it is and why (default: auto)",
    )
    .option(
      "--no-recovery",
      "get no other certificate by the device key when the one there is has expired or the daemon will not have it; this " +
        "machine then has to pair again",
    )
    .option("--log-file <file>", "log to this file instead of standard error; put aside at 10 MiB, five at most")
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const { stateRoot, config: configFile, transport } = options;
      const logFile = options.logFile && resolve(options.logFile);
      const capabilities = options.capabilities && resolve(options.capabilities);
      const config = await loadNodeConfig({
        stateRoot,
        config: configFile,
        transport,
        recovery: options.recovery ? undefined : false,
        logFile,
        capabilities,
      });
      configureLogging(config.logging);
      using shutdown = shutdownSignal();
      const { registry, leftOut } = await capabilitySet(config, { denied: options.deny });
      // While /proc may still be read.
      const terminal = config.askOnTerminal && options.json !== true ? ownTerminal() : undefined;
      const givenUp = await giveUpPermissions({ registry, hostNeeds: await runningNeeds(config) });
      using state = await NodeHostState.open(config.stateFolder);
      using service = ServiceNotifier.open({ folder: config.stateFolder });
      shutdown.signal.addEventListener("abort", () => void service.stopping(), { once: true });
      const capabilityCount = (await registry.declarations()).length;
      await runNodeHost({
        state,
        registry,
        maxConcurrency: config.maxConcurrency,
        deviceName: config.deviceName,
        transport: config.transport,
        recovery: config.recovery,
        mediationTimeoutMs: config.mediationTimeoutMs,
        terminal,
        onStart: (record) => {
          showStart(record, capabilityCount, options.json === true);
          logGivenUp(givenUp);
          logLeftOut(leftOut);
          void service.ready();
        },
        onStatus: (status) => void service.status(connectionNotice(status)),
      }, shutdown.signal).catch((thrown: unknown) => {
        if (!shutdown.signal.aborted) throw thrown;
        // What goes wrong while stopping is worth a word unless it is the stopping itself.
        const error = PalyraError.from(thrown);
        if (error.code !== "cancelled") throw error;
      });
    });
  return command;
}

function logGivenUp(givenUp: readonly Deno.PermissionDescriptor[]): void {
  if (givenUp.length === 0) return;
  logger.info("Given up, since nothing that is configured needs them: {flags}.", {
    flags: givenUp.map(permissionFlag).join(" "),
  });
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
