import { formatEndpoint, parseEndpoint } from "../../identity/endpoint.ts";
import type { StatusView } from "../../proto/gen/admin.ts";
import { listenError } from "../../transport/listen_error.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, findingOf, ok, skipped, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import type { DaemonConfig } from "../daemon_config.ts";
import type { DaemonProcess } from "../daemon_process_file.ts";

/** What {@linkcode portChecks} goes by. */
export interface PortEvidence {
  readonly config: Attempt<DaemonConfig>;
  readonly running: DaemonProcess | undefined;
  /** What the running daemon says of its listeners; undefined when none runs, or nothing could be asked. */
  readonly status: Promise<Attempt<StatusView> | undefined>;
  readonly signal: AbortSignal;
}

/** A port that the configuration names. */
interface WantedPort {
  readonly hostname: string;
  readonly port: number;
  readonly transport: "tcp" | "udp";
}

const RESTART = "Run `palyrad restart`, or stop it and run it again.";
const OPERATIONS_HOST = "127.0.0.1";

/** Whether each port that is configured is free for palyrad, or held by the palyrad that runs. */
export function portChecks({ config, running, status, signal }: PortEvidence): Check[] {
  const check = (name: string, examine: (config: DaemonConfig) => Promise<Finding> | Finding): Check => ({
    name,
    examine: () => config.value === undefined ? skippedFor("configuration") : examine(config.value),
  });
  return [
    check("node_rpc_port", ({ nodeRpc }) => {
      const wanted: WantedPort = { ...nodeRpc, transport: "tcp" };
      return running === undefined ? free(wanted) : held(wanted, running.nodeRpc, running.pid);
    }),
    check("quic_port", async ({ nodeRpc, quic }) => {
      if (!quic.enabled) return switchedOff("QUIC", "quic.enabled = true");
      const wanted: WantedPort = { ...nodeRpc, transport: "udp" };
      if (running === undefined) return free(wanted);
      const view = (await status)?.value;
      const listener = view?.listeners.find(({ name }) => name === "quic");
      if (view === undefined || listener === undefined) return skippedFor("operator");
      if (listener.serving) {
        const found = held(wanted, listener.address, running.pid);
        return found.outcome === "ok" && listener.connections === 0 && view.nodesConnected > 0
          ? unreached(listener.address, view.nodesConnected)
          : found;
      }
      return warning("unsupported", `The running palyrad serves no QUIC: ${listener.detail}`, RESTART);
    }),
    check("enrolment_port", ({ nodeRpc: { hostname }, enrolment }) => {
      if (!enrolment.enabled) return switchedOff("Pairing", "enrolment.enabled = true");
      const wanted: WantedPort = { hostname, port: enrolment.port, transport: "tcp" };
      return running === undefined ? free(wanted) : held(wanted, running.enrolment, running.pid);
    }),
    check("operations_port", ({ operationsPort: port }) => {
      if (port === undefined) {
        return skipped("Metrics and health are not served.", "Set `operations.port` to have them.");
      }
      const wanted: WantedPort = { hostname: OPERATIONS_HOST, port, transport: "tcp" };
      return running === undefined ? free(wanted) : readiness(wanted, running.pid, signal);
    }),
  ];
}

function switchedOff(what: string, setting: string): Finding {
  return skipped(`${what} is switched off by the configuration.`, `Set \`${setting}\` to change that.`);
}

/** Takes the port for a moment. */
function free({ hostname, port, transport }: WantedPort): Finding {
  if (port === 0) return ok("Any free port is taken at the start.");
  try {
    const listener = transport === "tcp"
      ? Deno.listen({ hostname, port })
      : Deno.listenDatagram({ hostname, port, transport: "udp" });
    listener.close();
    return ok(`${nameOf({ hostname, port, transport })} is free.`);
  } catch (cause) {
    const finding = findingOf("failed", listenError(hostname, port, cause));
    if (!(cause instanceof Deno.errors.AddrInUse) || finding.outcome !== "failed") return finding;
    const who = `\`ss -lnp${transport === "tcp" ? "t" : "u"} 'sport = :${port}'\` shows which program has it`;
    return {
      ...finding,
      seen: `${nameOf({ hostname, port, transport })} is in use by another program.`,
      cure: `${finding.cure} On Linux, ${who}.`,
    };
  }
}

/** Compares where the running daemon listens with what the configuration would have now. */
function held(wanted: WantedPort, address: string | undefined, pid: number): Finding {
  if (address === undefined) {
    return warning("listen_failed", `The running palyrad (process ${pid}) does not listen there.`, RESTART);
  }
  const { port } = parseEndpoint(address);
  if (wanted.port === 0 || wanted.port === port) {
    return ok(`${wanted.transport.toUpperCase()} ${address} is held by this palyrad (process ${pid}).`);
  }
  return warning(
    "listen_failed",
    `The running palyrad (process ${pid}) listens on ${address}, and the configuration has port ${wanted.port}.`,
    `${RESTART} Or it was started with other options, and nothing is amiss.`,
  );
}

/** What a firewall does with UDP can be seen only by what does not come. */
function unreached(address: string, nodes: number): Finding {
  const { port } = parseEndpoint(address);
  return warning(
    "daemon_unreachable",
    `Nodes that are connected: ${nodes}; none of them by QUIC, which is served on UDP ${address}. UDP may be blocked.`,
    `Let UDP through to port ${port}; \`palyra-node doctor\` on a node tells whether it gets there. Where all nodes are to ` +
      "use gRPC, set `quic.enabled = false`.",
  );
}

async function readiness({ hostname, port }: WantedPort, pid: number, signal: AbortSignal): Promise<Finding> {
  if (port === 0) {
    return skipped("Metrics and health are on a port that only palyrad's log names.", "Set `operations.port`.");
  }
  const where = formatEndpoint({ host: hostname, port });
  using limit = new TimeLimit(NETWORK_LIMIT_MS, signal);
  try {
    const response = await fetch(`http://${where}/readyz`, { signal: limit.signal, redirect: "error" });
    await response.body?.cancel();
    if (response.ok) return ok(`http://${where}/readyz says that palyrad (process ${pid}) is ready.`);
    return warning(
      "listen_failed",
      `http://${where}/readyz says ${response.status}.`,
      `Open it to see why, or: ${RESTART}`,
    );
  } catch {
    return warning("listen_failed", `The running palyrad (process ${pid}) serves no health on ${where}.`, RESTART);
  }
}

function nameOf({ hostname, port, transport }: WantedPort): string {
  return `${transport.toUpperCase()} ${formatEndpoint({ host: hostname, port })}`;
}
