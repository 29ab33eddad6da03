import { setTimeout as sleep } from "node:timers/promises";
import type { AdminClient } from "../../daemon/admin_client.ts";
import { everyPage } from "../../daemon/cli/every_page.ts";
import { tableLines } from "../../transport/program/terminal_table.ts";
import type { TransportName } from "../../transport/session.ts";
import { Fleet } from "../harness/fleet.ts";
import { InProcessNode } from "../harness/in_process_node.ts";
import { operatorOf } from "../harness/operator.ts";
import { type Latency, summarise } from "./latency.ts";

/** Connected over each transport when it begins: as many as the daemon takes over QUIC (design section 4). */
const NODES = 256;

/** Of each transport's nodes. */
const REVOCATIONS = 100;

/** What a revocation may take at the 99th percentile, in milliseconds. */
const WANTED_MS = 50;

/** Between two revocations, so that the load of the others goes on meanwhile; in milliseconds. */
const REST_MS = 10;

const TRANSPORTS: readonly TransportName[] = ["grpc", "quic"];

const INPUT = new TextEncoder().encode('"revocation"');

/** Nodes of one transport, and what was measured of them. */
interface Case {
  readonly transport: TransportName;
  readonly nodes: readonly InProcessNode[];
  /** From the beginning of the command's transaction until the node knew that it was out, in milliseconds. */
  readonly noticed: number[];
}

/**
 * Measures how long it takes from the transaction of `devices revoke` to the closed connection, while the other nodes work
 * on, and asserts that they notice nothing. The daemon is a process of its own; operator and nodes are this one.
 */
export async function benchRevocation(print: (line: string) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(await Fleet.create());
  const folder = await Deno.makeTempDir({ prefix: "palyra-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const names = TRANSPORTS.flatMap((transport) => Array.from({ length: NODES }, (_, at) => `${transport}-${at}`));
  const enrolled = await InProcessNode.enrol(fleet, folder, names);
  for (const node of enrolled) stack.use(node);
  const { nodeRpc: endpoint } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
  const admin = stack.use(await operatorOf(fleet, endpoint));
  const cases = TRANSPORTS.map((transport): Case => ({
    transport,
    nodes: enrolled.filter(({ name }) => name.startsWith(transport)),
    noticed: [],
  }));
  for (const { transport, nodes } of cases) {
    // deno-lint-ignore no-await-in-loop -- one transport after the other
    await Promise.all(nodes.map((node) => node.start({ transport, endpoint })));
  }
  const idOf = await deviceIds(admin);
  const survivors = cases.flatMap(({ nodes }) => nodes.slice(REVOCATIONS));
  const epochs = new Map(survivors.map((node) => [node, node.latest?.epoch]));
  const load = new Load(admin, survivors);

  for (let at = 0; at < REVOCATIONS; at++) {
    for (const { nodes, noticed } of cases) {
      const node = nodes[at];
      if (node === undefined) throw new Error("there are more revocations than nodes");
      // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
      noticed.push(await revoke(admin, node, idOf(node.name)));
      // deno-lint-ignore no-await-in-loop -- see above
      await sleep(REST_MS);
    }
  }
  const answered = await load.stop();
  for (const [node, epoch] of epochs) {
    const { latest } = node;
    if (latest?.state !== "connected" || latest.epoch !== epoch) throw new Error(`${node.name} noticed something`);
  }
  const cuts = cutsToldBy(fleet.daemon.output);
  print("");
  print(
    `Revocation of ${REVOCATIONS} of ${NODES} connected nodes over each transport; ${survivors.length} others answered ` +
      `${answered} requests meanwhile, and kept their sessions.`,
  );
  print(
    "Daemon: from the commit to the closed connection. Node: from the command's transaction to its host that knows.",
  );
  const rows = cases.map(({ transport, noticed }, index) => {
    const closed = cuts.filter((_, at) => at % cases.length === index);
    return [transport, ...texts(summarise(closed, 1)), ...texts(summarise(noticed, 1)), verdict(closed, noticed)];
  });
  const columns = [
    { title: "TRANSPORT" },
    { title: "DAEMON P50 MS", align: "right" },
    { title: "P99 MS", align: "right" },
    { title: "NODE P50 MS", align: "right" },
    { title: "P99 MS", align: "right" },
    { title: `WANTED P99 < ${WANTED_MS}` },
  ] as const;
  for (const line of tableLines({ columns, rows })) print(line);
}

/** Revokes the node's device; resolves with what passed from the beginning of the transaction until the node knew. */
async function revoke(admin: AdminClient, node: InProcessNode, deviceId: string): Promise<number> {
  const out = node.status(({ state }) => state !== "connected", node.statuses.length).then(() => Date.now());
  const { revokedAtUnixMs } = await admin.revokeDevice({ deviceId, reason: "bench" });
  return await out - revokedAtUnixMs;
}

/** Has every survivor answer, one request after the other each, as long as it lasts. */
class Load {
  readonly #stopped = new AbortController();
  readonly #running: Promise<number[]>;

  constructor(admin: AdminClient, nodes: readonly InProcessNode[]) {
    // Each once before it ends, however few there is time for.
    const lanes = [nodes.filter((_, at) => at % 2 === 0), nodes.filter((_, at) => at % 2 === 1)];
    this.#running = Promise.all(lanes.map((lane) => this.#ask(admin, lane)));
  }

  /** Ends it; resolves with how many were answered, and rejects when one was not. */
  async stop(): Promise<number> {
    this.#stopped.abort();
    return (await this.#running).reduce((total, count) => total + count, 0);
  }

  async #ask(admin: AdminClient, nodes: readonly InProcessNode[]): Promise<number> {
    for (let count = 0;; count++) {
      const node = nodes[count % nodes.length];
      if (node === undefined || (this.#stopped.signal.aborted && count >= nodes.length)) return count;
      // deno-lint-ignore no-await-in-loop -- one after the other
      const { state, error } = await admin.execute({ deviceId: node.name, capability: "echo", inputJson: INPUT });
      if (state !== "succeeded") throw new Error(`${node.name} did not answer: ${error}`);
      // deno-lint-ignore no-await-in-loop -- a load, and not as much as there can be
      await sleep(REST_MS);
    }
  }
}

async function deviceIds(admin: AdminClient): Promise<(name: string) => string> {
  const ids = new Map<string, string>();
  const devices = await everyPage(async (afterDeviceId) => {
    const page = await admin.listDevices({ includeRevoked: false, afterDeviceId });
    return { entries: page.devices, cut: page.cut };
  });
  for (const { deviceName, deviceId } of devices) ids.set(deviceName, deviceId);
  return (name) => ids.get(name) ?? name;
}

/** What the daemon's log says of each cut, in their order, in milliseconds. */
function cutsToldBy(output: string): number[] {
  return output.split("\n").flatMap((line) => {
    const [, took] = /connections of a revoked certificate are closed.*"tookMs":([\d.]+)/.exec(line) ?? [];
    return took === undefined ? [] : [Number(took)];
  });
}

function texts({ p50, p99 }: Latency): string[] {
  return [p50, p99].map((ms) => `${ms.toFixed(1)}`);
}

function verdict(...samples: readonly (readonly number[])[]): string {
  const worst = Math.max(...samples.map((each) => summarise(each, 1).p99));
  return worst < WANTED_MS ? "yes" : "no";
}
