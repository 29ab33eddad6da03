import { resolve } from "node:path";
import { print, printJson } from "../../transport/program/cli_output.ts";
import { configureLogging } from "../../transport/program/logging.ts";
import { ServiceNotifier } from "../../transport/program/service/service_notifier.ts";
import { shutdownSignal } from "../../transport/program/shutdown_signals.ts";
import { type DaemonFlags, readDaemonConfig } from "../daemon_config.ts";
import { Palyrad } from "../palyrad.ts";
import { daemonCommand } from "./daemon_command.ts";

/** `palyrad run` */
export function runCommand() {
  return daemonCommand("run", "Run the daemon in the foreground until it is told to stop.", [
    { command: "palyrad run", explanation: "on this machine only" },
    {
      command: "palyrad run --host 0.0.0.0 --allow-remote --server-name home.example",
      explanation: "reachable from other machines under that name",
    },
  ])
    .option("--host <address>", "address on which nodes and operators connect (default 127.0.0.1)")
    .option("--port <port>", "port on which nodes and operators connect: TCP, and UDP for QUIC (default 7444)")
    .option("--no-quic", "let nodes connect by gRPC alone")
    .option("--enrolment-port <port>", "TCP port on which devices pair (default 7445)")
    .option("--no-enrolment", "let no device pair, and none recover")
    .option("--no-recovery", "let no device come back by its device key when its certificate is of no use any more")
    .option("--operations-port <port>", "TCP port on 127.0.0.1 of /metrics, /healthz and /readyz (default: none)")
    .option("--allow-remote", "permit listening beyond this machine")
    .option("--server-name <name...>", "names and addresses under which nodes reach this daemon")
    .option("--accept-restored-state", "serve although the state is older than it was: it came from a backup")
    .option("--log-level <level>", "trace, debug, info, warning or error (default info)")
    .option("--log-format <format>", "auto, json or pretty")
    .option("--log-file <file>", "log to this file instead of standard error; put aside at 10 MiB, five at most")
    .action(async (options) => {
      const flags: DaemonFlags = {
        "node_rpc.host": options.host,
        "node_rpc.port": options.port,
        "quic.enabled": options.quic ? undefined : false,
        "enrolment.port": options.enrolmentPort,
        "enrolment.enabled": options.enrolment ? undefined : false,
        "enrolment.recovery": options.recovery ? undefined : false,
        "operations.port": options.operationsPort,
        "allow_remote": options.allowRemote,
        "server_names": options.serverName,
        "log.level": options.logLevel,
        "log.format": options.logFormat,
        "log.file": options.logFile && resolve(options.logFile),
      };
      const config = await readDaemonConfig({
        stateRoot: options.stateRoot,
        configFile: options.config,
        flags,
        environment: Deno.env,
      });
      configureLogging({ format: config.logFormat, level: config.logLevel, file: config.logFile });
      const shutdown = shutdownSignal();
      const daemon = await Palyrad.start({ ...config, acceptRestoredState: options.acceptRestoredState ?? false });
      using service = ServiceNotifier.open({ folder: config.stateFolder });
      const { addresses: { nodeRpc, quic, enrolment }, quicAbsence, operations } = daemon;
      if (options.json) {
        printJson({
          event: "ready",
          pid: Deno.pid,
          node_rpc: nodeRpc,
          quic,
          quic_absence: quicAbsence || undefined,
          enrolment,
          operations,
          state_folder: config.stateFolder,
        });
      } else {
        print(`palyrad is ready: nodes and operators on ${nodeRpc}, pairing on ${enrolment ?? "(off)"}.`);
        print(
          quic === undefined ? `Nodes connect by gRPC alone. QUIC: ${quicAbsence}` : "Nodes connect by QUIC or gRPC.",
        );
        if (operations !== undefined) print(`Metrics and health on http://${operations}.`);
        print("Pair a device: palyrad pairing code");
      }
      await service.ready(`Nodes and operators on ${daemon.addresses.nodeRpc}.`);
      if (!shutdown.signal.aborted) {
        await new Promise((resolve) => shutdown.signal.addEventListener("abort", resolve, { once: true }));
      }
      await service.stopping();
      await daemon.stop();
      shutdown.dispose();
    });
}
