import { join } from "node:path";
import { readNodeHostRecord, writeNodeHostRecord } from "../../node_host/node_host_record.ts";
import { type Finished, type ProgramOptions, runJson, RunningProgram, runProgram } from "./program.ts";

/** A real palyrad and real palyra-nodes in temporary folders; disposing it leaves nothing behind. */
export class Fleet implements AsyncDisposable {
  readonly #folder: string;
  readonly #running = new Set<RunningProgram>();
  #daemon: RunningProgram | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes the folders; starts nothing yet. */
  static async create(): Promise<Fleet> {
    return new Fleet(await Deno.makeTempDir({ prefix: "palyra-" }));
  }

  /** The state root of the daemon. */
  get daemonRoot(): string {
    return join(this.#folder, "daemon");
  }

  /** The state root of a node. */
  nodeRoot(name: string): string {
    return join(this.#folder, "nodes", name);
  }

  /** The daemon that runs. */
  get daemon(): RunningProgram {
    if (this.#daemon === undefined) throw new Error("the daemon was not started");
    return this.#daemon;
  }

  /** Starts palyrad on free ports and waits until it is ready. */
  async startDaemon(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<{
    readonly nodeRpc: string;
    readonly enrolment: string;
  }> {
    const daemon = await this.#start("palyrad", ["run", "--json", ...portsOf(args), ...args], {
      stateRoot: this.daemonRoot,
      env: { PALYRA_LOG_FORMAT: "json", ...env },
    });
    this.#daemon = daemon;
    const ready = JSON.parse(await daemon.line((line) => line.startsWith('{"event":"ready"')));
    return { nodeRpc: ready.node_rpc, enrolment: ready.enrolment };
  }

  /** Ends the daemon by a signal and starts another on the same folder and ports. */
  async restartDaemon(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const ready = JSON.parse(await this.daemon.line((line) => line.startsWith('{"event":"ready"')));
    this.daemon.kill(signal);
    await this.daemon.ended;
    const portOf = (address: string) => address.slice(address.lastIndexOf(":") + 1);
    await this.startDaemon(["--port", portOf(ready.node_rpc), "--enrolment-port", portOf(ready.enrolment)]);
  }

  /** Runs an operator's command and returns its JSON. */
  // deno-lint-ignore no-explicit-any -- the tests assert on what they read
  async palyrad(...args: string[]): Promise<any> {
    return await runJson("palyrad", args, { stateRoot: this.daemonRoot });
  }

  /** Runs an operator's command that may fail. */
  async tryPalyrad(...args: string[]): Promise<Finished> {
    return await runProgram("palyrad", args, { stateRoot: this.daemonRoot });
  }

  /** Starts a palyra-node command. */
  async startNode(
    name: string,
    args: readonly string[],
    options: Partial<ProgramOptions> = {},
  ): Promise<RunningProgram> {
    return await this.#start("palyra-node", args, { stateRoot: this.nodeRoot(name), ...options });
  }

  /** Runs a palyra-node command to its end. */
  async node(name: string, args: readonly string[], options: Partial<ProgramOptions> = {}): Promise<Finished> {
    return await runProgram("palyra-node", args, { stateRoot: this.nodeRoot(name), ...options });
  }

  /** Pairs a node by a QR token that is approved in advance. */
  async pair(name: string): Promise<void> {
    const minted = await this.palyrad("pairing", "code", "--approve");
    const paired = await this.node(name, ["pair", minted.secret_text, "--name", name]);
    if (paired.code !== 0) throw new Error(`pairing ${name} failed:\n${paired.stderr}`);
  }

  /** Makes a paired node look for its daemon at `nodeEndpoint` from its next start on: a relay before the daemon, say. */
  async divert(name: string, nodeEndpoint: string): Promise<void> {
    const folder = join(this.nodeRoot(name), "node-host");
    const record = await readNodeHostRecord(folder);
    if (record === undefined) throw new Error(`${name} is not paired`);
    await writeNodeHostRecord(folder, { ...record, nodeEndpoints: [nodeEndpoint] });
  }

  /** Starts `palyra-node run` and waits until the daemon has welcomed it. */
  async connect(name: string, args: readonly string[] = []): Promise<RunningProgram> {
    const node = await this.startNode(name, ["run", ...args]);
    await this.daemon.line((line) => line.includes("Node connected.") && line.includes(`"name":"${name}"`));
    return node;
  }

  /** Stops everything and removes the folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#running) program.kill("SIGTERM");
    const timer = setTimeout(() => {
      for (const program of this.#running) program.kill("SIGKILL");
    }, 15_000);
    await Promise.all([...this.#running].map((program) => program.ended));
    clearTimeout(timer);
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #start(
    program: "palyrad" | "palyra-node",
    args: readonly string[],
    options: ProgramOptions,
  ): Promise<RunningProgram> {
    const running = await RunningProgram.start(program, args, options);
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    return running;
  }
}

function portsOf(args: readonly string[]): string[] {
  const free = (flag: string) => args.includes(flag) ? [] : [flag, "0"];
  return [...free("--port"), ...free("--enrolment-port")];
}
