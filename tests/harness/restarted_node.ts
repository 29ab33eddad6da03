import { join } from "node:path";
import type { DeviceId } from "../../identity/device_id.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import type { Capability } from "../../node_host/capabilities/capability.ts";
import { echo } from "../../node_host/capabilities/echo.ts";
import { CapabilityRegistry, MediationPolicy } from "../../node_host/capabilities/mod.ts";
import type { ConnectionStatus } from "../../node_host/connection_status.ts";
import { runNodeHost } from "../../node_host/node_host.ts";
import { NodeHostState } from "../../node_host/node_host_state.ts";
import type { TransportPreference } from "../../node_host/transport_choice.ts";
import { copyFolder } from "./copy_folder.ts";
import { enrolNodes } from "./enrolled_nodes.ts";
import type { InProcessDaemon } from "./in_process_daemon.ts";

/** How a {@linkcode RestartedNode} runs. */
export interface NodeRun {
  readonly transport: TransportPreference;
  /** Default: true. */
  readonly recovery?: boolean;
  /** What `echo` does instead of the real one. */
  readonly echo?: Capability;
  /** Where it looks for its daemon. Default: where the daemon is. */
  readonly nodeRpc?: string;
  readonly enrolment?: string;
}

/** The real node host in this process, which stops and starts as a test says, on a state folder that may be copied. */
export class RestartedNode implements AsyncDisposable {
  readonly deviceId: DeviceId;
  readonly #daemon: InProcessDaemon;
  readonly #folder: string;
  readonly #copies: string[] = [];
  /** Each status of the newest run, in order. */
  statuses: ConnectionStatus[] = [];
  readonly #waiters = new Set<() => void>();
  #stop = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(daemon: InProcessDaemon, folder: string, deviceId: DeviceId) {
    this.#daemon = daemon;
    this.#folder = folder;
    this.deviceId = deviceId;
  }

  /** Enters a node into the state of a daemon, which is stopped meanwhile; its first certificate lives `validityMs`. */
  static async enrol(daemon: InProcessDaemon, validityMs: number): Promise<RestartedNode> {
    await daemon.stop();
    const folder = await Deno.makeTempDir({ prefix: "palyra-" });
    const settings = { PALYRA_CERTIFICATE_VALIDITY_MS: String(validityMs) };
    const states = await enrolNodes({ daemonRoot: daemon.root }, folder, [NAME], [echo.name], settings);
    const state = states.get(NAME);
    if (state === undefined) throw new Error("the node was not enrolled");
    const { deviceId } = await state.ensureIdentity();
    state[Symbol.dispose]();
    return new RestartedNode(daemon, join(folder, NAME), deviceId);
  }

  /** Where its state lies. */
  get folder(): string {
    return this.#folder;
  }

  /** Runs a copy of its state folder as it is now: the same device twice. */
  async copy(): Promise<RestartedNode> {
    const folder = await Deno.makeTempDir({ prefix: "palyra-" });
    await copyPrivate(this.#folder, join(folder, NAME));
    return new RestartedNode(this.#daemon, join(folder, NAME), this.deviceId);
  }

  /** Makes a backup of its state folder; the function puts it in place again. */
  async backUp(): Promise<() => Promise<void>> {
    const backup = await Deno.makeTempDir({ prefix: "palyra-" });
    this.#copies.push(backup);
    await copyPrivate(this.#folder, join(backup, NAME));
    return async () => {
      await Deno.remove(this.#folder, { recursive: true });
      await copyPrivate(join(backup, NAME), this.#folder);
    };
  }

  /** Starts the host. */
  async start(run: NodeRun): Promise<void> {
    const state = await NodeHostState.open(this.#folder);
    const record = await state.record();
    if (record === undefined) throw new Error("the node is not paired");
    const { nodeRpc = this.#daemon.nodeRpc, enrolment = this.#daemon.enrolment } = run;
    await state.writeRecord({ ...record, nodeEndpoints: [nodeRpc], enrolmentEndpoints: [enrolment] });
    this.statuses = [];
    this.#stop = new AbortController();
    const running = runNodeHost({
      state,
      registry: new CapabilityRegistry([run.echo ?? echo], new MediationPolicy()),
      maxConcurrency: 8,
      transport: { preference: run.transport, askedBy: "the test" },
      onStatus: (status) => {
        this.statuses.push(status);
        for (const wake of this.#waiters) wake();
      },
      graceMs: 1_000,
      ...(run.recovery !== undefined && { recovery: run.recovery }),
    }, this.#stop.signal).finally(() => state[Symbol.dispose]());
    running.catch(() => {});
    this.#running = running;
  }

  /** Settles when the host does: with its reason where the daemon has said its final word. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  /** Resolves with the first status of this run that `matches`; rejects when the host ends before. */
  async status(matches: (status: ConnectionStatus) => boolean): Promise<ConnectionStatus> {
    for (;;) {
      const found = this.statuses.find(matches);
      if (found !== undefined) return found;
      const news = Promise.withResolvers<void>();
      this.#waiters.add(news.resolve);
      // deno-lint-ignore no-await-in-loop -- waits for the next status
      const over = await Promise.race([news.promise.then(() => false), this.ended.then(() => true)]);
      this.#waiters.delete(news.resolve);
      if (over) throw new Error("the host ended");
    }
  }

  async connected(): Promise<ConnectionStatus> {
    return await this.status(({ state }) => state === "connected");
  }

  /** When the certificate in its folder expires; the host must not run. */
  async certificateExpiresAt(): Promise<number> {
    using state = await NodeHostState.open(this.#folder);
    return (await state.credentials()).expiresAt;
  }

  /** Resolves when the certificate in its folder has expired. */
  async untilExpired(): Promise<void> {
    const left = await this.certificateExpiresAt() - systemClock();
    if (left >= 0) await new Promise((resolve) => setTimeout(resolve, left + 1));
  }

  /** Stops the host as a signal would. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running?.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    const folders = [join(this.#folder, ".."), ...this.#copies];
    await Promise.all(folders.map((folder) => Deno.remove(folder, { recursive: true })));
  }
}

const NAME = "laptop";

async function copyPrivate(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  await copyFolder(from, to);
}
