import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AdminClient } from "../../daemon/admin_client.ts";
import { parseEndpoint } from "../../identity/endpoint.ts";
import { readNodeHostRecord, writeNodeHostRecord } from "../../node_host/node_host_record.ts";
import type { TransportPreference } from "../../node_host/transport_choice.ts";
import { enrolNodes } from "../harness/enrolled_nodes.ts";
import { Fleet } from "../harness/fleet.ts";
import { NetworkRelay } from "../harness/network_relay.ts";
import { operatorOf } from "../harness/operator.ts";
import { RunningProgram } from "../harness/program.ts";
import { within } from "../harness/within.ts";
import { type Effect, ONCE, readEffects, REPEATABLE } from "./chaos_capability.ts";
import { DisasterLog } from "./disaster_log.ts";

const NODE_MODULE = fileURLToPath(new URL("chaos_node.ts", import.meta.url));

/** Exit code of a process that was killed: 128 and the number of SIGKILL. */
const KILLED = 137;

/** How long the nodes may take to connect for the first time, in milliseconds. */
const START_MS = 60_000;

/** How a link is broken. */
export const LINK_BREAKS = ["cut", "stalled", "rebound"] as const;

/** One of {@linkcode LINK_BREAKS}. */
export type LinkBreak = typeof LINK_BREAKS[number];

interface ChaosNode {
  readonly name: string;
  readonly transport: TransportPreference;
  readonly folder: string;
  readonly relay: NetworkRelay;
  program: RunningProgram;
}

/** Where a {@linkcode ChaosSite} is to be built. */
export interface ChaosSiteOptions {
  /** One node for each. */
  readonly transports: readonly TransportPreference[];
  /** Decides about the bad luck of datagrams. */
  readonly seed: number;
}

/** A real daemon, real nodes, a network before each of them, and the means to destroy and repair all of it. */
export class ChaosSite implements AsyncDisposable {
  readonly disasters = new DisasterLog();
  readonly #fleet: Fleet;
  readonly #folder: string;
  readonly #ports: readonly string[];
  readonly #nodeRpc: string;
  readonly #nodes: ReadonlyMap<string, ChaosNode>;
  readonly #programs: { readonly of: string; readonly program: RunningProgram }[] = [];
  readonly #stack: AsyncDisposableStack;
  /** Resolves when the daemon is back; undefined while it is there. */
  #up: PromiseWithResolvers<void> | undefined;
  readonly #doubles: RunningProgram[] = [];
  #stopping = false;
  /** Why the site can go on no longer. */
  #failure: Error | undefined;

  private constructor(parts: {
    fleet: Fleet;
    folder: string;
    ports: readonly string[];
    nodeRpc: string;
    nodes: ReadonlyMap<string, ChaosNode>;
    stack: AsyncDisposableStack;
  }) {
    this.#fleet = parts.fleet;
    this.#folder = parts.folder;
    this.#ports = parts.ports;
    this.#nodeRpc = parts.nodeRpc;
    this.#nodes = parts.nodes;
    this.#stack = parts.stack;
    this.#note("daemon", parts.fleet.daemon);
    for (const { name, program } of parts.nodes.values()) this.#note(name, program);
  }

  /** Builds it; resolves when every node has been welcomed. */
  static async start({ transports, seed }: ChaosSiteOptions): Promise<ChaosSite> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await Fleet.create());
    const folder = await Deno.makeTempDir({ prefix: "palyra-chaos-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const names = transports.map((transport, index) => `${transport}-${index + 1}`);
    const states = await enrolNodes(fleet, folder, names, [ONCE, REPEATABLE]);
    // The nodes are processes of their own.
    for (const state of states.values()) state[Symbol.dispose]();
    const { nodeRpc, enrolment } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
    const nodes = await Promise.all(names.map(async (name, index): Promise<ChaosNode> => {
      const relay = stack.use(await NetworkRelay.start(parseEndpoint(nodeRpc), { seed: seed + index }));
      const nodeFolder = join(folder, name);
      const record = await readNodeHostRecord(nodeFolder);
      if (record === undefined) throw new Error(`${name} was not enrolled`);
      await writeNodeHostRecord(nodeFolder, { ...record, nodeEndpoints: [relay.endpoint] });
      const transport = transports[index] ?? "auto";
      return { name, transport, relay, folder: nodeFolder, program: startNode(nodeFolder, transport) };
    }));
    const site = new ChaosSite({
      fleet,
      folder,
      ports: ["--port", portOf(nodeRpc), "--enrolment-port", portOf(enrolment)],
      nodeRpc,
      nodes: new Map(nodes.map((node) => [node.name, node])),
      stack: stack.move(),
    });
    site.#stack.defer(() => site.#stopNodes());
    try {
      await within(
        START_MS,
        "the first connection of the nodes",
        Promise.all(names.map((name) => site.connected(name))),
      );
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
    return site;
  }

  /** The names of its nodes. */
  get nodeNames(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** A connection to the daemon, for its operator. */
  operator(): Promise<AdminClient> {
    return operatorOf(this.#fleet, this.#nodeRpc);
  }

  /** Resolves when the daemon runs, as far as is known; at once if it does. */
  async daemonUp(): Promise<void> {
    await this.#up?.promise;
    this.assertAlive();
  }

  /** Throws when a process has ended by itself. */
  assertAlive(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when the daemon that runs has welcomed `node`. */
  async connected(node: string): Promise<void> {
    await this.#fleet.daemon.line((line) => line.includes("Node connected.") && line.includes(`"name":"${node}"`));
  }

  /** Resolves when the daemon that runs has noticed the end of a session. */
  async disconnected(): Promise<void> {
    await this.#fleet.daemon.line((line) => line.includes("Node session ended."));
  }

  /** Kills the daemon (`kill -9`), whatever it has got to. */
  async killDaemon(): Promise<void> {
    this.#up ??= Promise.withResolvers();
    await this.#kill("daemon", this.#fleet.daemon);
  }

  /** Starts the daemon again, on the same ports. Rejects when it ends before it is ready. */
  async startDaemon(): Promise<void> {
    try {
      await this.#fleet.startDaemon(this.#ports, { PALYRA_LOG_LEVEL: "info" });
      this.#up?.resolve();
      this.#up = undefined;
    } finally {
      this.#note("daemon", this.#fleet.daemon);
    }
  }

  /** Kills a node (`kill -9`). */
  async killNode(name: string): Promise<void> {
    await this.#kill(name, this.#node(name).program);
  }

  /** Starts a node that was killed; does not wait for its session. */
  startNode(name: string): void {
    const node = this.#node(name);
    node.program = startNode(node.folder, node.transport);
    this.#note(name, node.program);
  }

  /** Starts a second host of a node on a copy of its state folder; both of them. */
  async doubleNode(name: string): Promise<readonly [RunningProgram, RunningProgram]> {
    const { folder, transport, program } = this.#node(name);
    const copy = `${folder}.copy`;
    await new Deno.Command("cp", { args: ["-a", folder, copy] }).output();
    const double = startNode(copy, transport, effectFiles(folder));
    this.#note(`${name}, again`, double);
    this.#doubles.push(double);
    return [program, double];
  }

  /** Breaks the link of a node; what is returned repairs it. */
  breakLink(name: string, how: LinkBreak): () => void {
    const { relay } = this.#node(name);
    const from = Date.now();
    if (how === "rebound") relay.rebind();
    else relay.blockUdp();
    relay.tcp = how === "rebound" ? "cut" : how;
    return () => {
      relay.unblockUdp();
      relay.tcp = "open";
      this.disasters.addBreak({ of: name, from, to: Date.now() });
    };
  }

  /** Stops the daemon as a service manager would; throws unless it ends well. */
  async stopDaemon(): Promise<void> {
    this.#stopping = true;
    const { code, stderr } = await this.#fleet.daemon.stop();
    if (code !== 0) throw new Error(`the daemon ended with ${code}:\n${stderr.slice(-2_000)}`);
  }

  /** Stops every node as a service manager would. */
  async #stopNodes(): Promise<void> {
    const programs = [...this.#doubles, ...[...this.#nodes.values()].map(({ program }) => program)];
    for (const program of programs) program.kill("SIGTERM");
    const timer = setTimeout(() => programs.forEach((program) => program.kill("SIGKILL")), 15_000);
    await Promise.all(programs.map(({ ended }) => ended));
    clearTimeout(timer);
  }

  /** `palyrad audit verify`: what it said. Throws when it found something. */
  async verifyAudit(): Promise<string> {
    const { code, stdout, stderr } = await this.#fleet.tryPalyrad("audit", "verify");
    if (code !== 0) throw new Error(`palyrad audit verify ended with ${code}:\n${stdout}${stderr}`);
    return stdout.trim();
  }

  /** The daemon's database. */
  get database(): string {
    return join(this.#fleet.daemonRoot, "palyrad", "palyrad.sqlite");
  }

  /** What the runs on a node have left behind. */
  async effects(name: string): Promise<{ readonly once: Effect[]; readonly repeatable: Effect[] }> {
    const { once, repeatable } = effectFiles(this.#node(name).folder);
    return { once: await readEffects(once), repeatable: await readEffects(repeatable) };
  }

  /** Copies what the processes have said and stored to a folder of its own, and names it. */
  async keepEvidence(): Promise<string> {
    const kept = await Deno.makeTempDir({ prefix: "palyra-chaos-kept-" });
    await Promise.all(
      this.#programs.map(({ of, program }, index) =>
        Deno.writeTextFile(join(kept, `${String(index).padStart(3, "0")}-${of}.log`), program.output)
      ),
    );
    await new Deno.Command("cp", { args: ["-a", this.#folder, this.#fleet.daemonRoot, kept] }).output();
    return kept;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await this.#stack.disposeAsync();
  }

  async #kill(of: string, program: RunningProgram): Promise<void> {
    const from = Date.now();
    program.kill("SIGKILL");
    await program.ended;
    this.disasters.addDeath({ of, from, to: Date.now() });
  }

  #note(of: string, program: RunningProgram): void {
    this.#programs.push({ of, program });
    void program.ended.then(({ code, stderr }) => {
      if (this.#stopping || code === KILLED) return;
      this.#failure ??= new Error(`${of} ended by itself, with ${code}:\n${stderr.slice(-4_000)}`);
      // Whoever waits for it waits in vain.
      this.#up?.resolve();
    });
  }

  #node(name: string): ChaosNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }
}

function startNode(
  folder: string,
  transport: TransportPreference,
  { once, repeatable } = effectFiles(folder),
): RunningProgram {
  const args = ["run", "--quiet", "--no-prompt", "-A", NODE_MODULE, folder, transport, once, repeatable];
  return RunningProgram.spawn(
    new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }),
  );
}

function effectFiles(folder: string): { readonly once: string; readonly repeatable: string } {
  return { once: `${folder}.once`, repeatable: `${folder}.repeatable` };
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(":") + 1);
}
