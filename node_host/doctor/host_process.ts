import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import { causeAndCure } from "../../transport/program/doctor/cause_and_cure.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok, warning } from "../../transport/program/doctor/finding.ts";
import { isProcessRunning } from "../../transport/program/process_mark.ts";
import { type ConnectionStatus, readConnectionStatus } from "../connection_status.ts";
import { readNodeHostProcess } from "../node_host_process.ts";
import { choiceText } from "../transport_choice.ts";

/** The process that serves a state folder, or did so last. */
export interface HostProcess {
  readonly running: boolean;
  /** Of the process that runs, or of one that was killed; undefined when the last one stopped as it should. */
  readonly pid: number | undefined;
  /** What that process last said. */
  readonly connection: ConnectionStatus | undefined;
}

/** Looks for it, and changes nothing. Rejects with `state_damaged`, `state_read_only` or `permission_missing`. */
export async function findHostProcess(stateFolder: string): Promise<HostProcess> {
  const [process, connection] = await Promise.all([
    readNodeHostProcess(stateFolder),
    readConnectionStatus(stateFolder),
  ]);
  const running = process !== undefined && isProcessRunning(process, stateFolder);
  return { running, pid: process?.pid, connection };
}

const START_IT = "Run `palyra-node run`, or `palyra-node start` where it is installed as a service.";

/** Whether palyra-node runs and is connected. */
export function processCheck(host: Attempt<HostProcess>): Check {
  const examine = (): Finding => {
    if (host.failure !== undefined) return findingOf("failed", host.failure);
    const { running, pid, connection } = host.value;
    if (!running) return notRunning(pid);
    const runs = `palyra-node runs (process ${pid})`;
    if (connection?.state === "connected") {
      const over = connection.choice === undefined ? "" : ` by ${choiceText(connection.choice)}`;
      return ok(`${runs} and is connected${over}.`);
    }
    if (connection?.state === "recovering") {
      return warning(
        connection.lastFailure?.code ?? "certificate_expired",
        `${runs} and is getting another certificate by its device key.`,
        "Look again in a moment.",
      );
    }
    const failure = connection?.lastFailure;
    const { cause, cure } = causeAndCure(failure?.message ?? "It has not said why.");
    return warning(
      failure?.code ?? "daemon_unreachable",
      `${runs} and is not connected. ${cause}`,
      cure || "See what the checks of the daemon say; it tries again by itself.",
    );
  };
  return { name: "process", examine };
}

function notRunning(killed: number | undefined): Finding {
  const seen = killed === undefined
    ? "palyra-node does not run, so the daemon cannot reach this machine."
    : `The process ${killed} that node-host-process.json names does not run any more: it was killed, or the machine was.`;
  return warning("host_not_running", seen, START_IT);
}
