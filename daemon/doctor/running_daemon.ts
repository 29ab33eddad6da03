import { parseEndpoint } from "../../identity/endpoint.ts";
import { AdminServiceClient, type StatusView } from "../../proto/gen/admin.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../../transport/grpc/grpc_channel.ts";
import { callUnary } from "../../transport/grpc/unary_call.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok, warning } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS } from "../../transport/program/doctor/time_limit.ts";
import { isProcessRunning } from "../../transport/program/process_mark.ts";
import { PROJECT_VERSION } from "../../transport/program/version.ts";
import { type DaemonProcess, readDaemonProcess } from "../daemon_process_file.ts";
import type { OperatorCredentials } from "../operator_credentials.ts";

/** The process of a state folder, or what the last one left behind. */
export interface DaemonTrace {
  /** The process that runs. */
  readonly running: DaemonProcess | undefined;
  /** The number of a process that was killed and could not take its note away. */
  readonly killed: number | undefined;
}

/** Looks for the process; changes nothing. */
export async function findTrace(stateFolder: string): Promise<DaemonTrace> {
  const process = await readDaemonProcess(stateFolder);
  if (process === undefined) return { running: undefined, killed: undefined };
  return isProcessRunning(process, stateFolder)
    ? { running: process, killed: undefined }
    : { running: undefined, killed: process.pid };
}

/** Asks the running daemon how it stands, as its local operator. Rejects as `callUnary` does. */
export async function askForStatus(
  { nodeRpc }: DaemonProcess,
  { caPem, certificatePem, keyPem }: OperatorCredentials,
  signal: AbortSignal,
): Promise<StatusView> {
  const credentials = mutualCredentials({ caPem: [caPem], certificatePem, keyPem });
  const client = new AdminServiceClient(channelTarget(parseEndpoint(nodeRpc)), credentials, channelOptions());
  try {
    return await callUnary(client, client.getStatus, {}, { deadlineMs: NETWORK_LIMIT_MS, signal });
  } finally {
    client.close();
  }
}

/** Whether palyrad runs on the state folder, and is of this version. */
export function processCheck(trace: Attempt<DaemonTrace>, status: Promise<Attempt<StatusView> | undefined>): Check {
  const examine = async (): Promise<Finding> => {
    if (trace.failure !== undefined) return findingOf("failed", trace.failure);
    const { running, killed } = trace.value;
    if (running === undefined) {
      const seen = killed === undefined
        ? "palyrad does not run, so no node can connect."
        : `The process ${killed} that palyrad-process.json names does not run any more: it was killed, or the machine was.`;
      return warning(
        "daemon_unreachable",
        seen,
        "Run `palyrad run`, or `palyrad start` where it is installed as a service.",
      );
    }
    const version = (await status)?.value?.version;
    if (version === undefined || version === PROJECT_VERSION) return ok(`palyrad runs (process ${running.pid}).`);
    return warning(
      "runtime_unsupported",
      `palyrad ${version} runs (process ${running.pid}), and this is ${PROJECT_VERSION}.`,
      "Run `palyrad restart` to have the installed version run.",
    );
  };
  return { name: "process", examine };
}
