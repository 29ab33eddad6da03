import type { Capability } from "../../node_host/capabilities/capability.ts";
import { echo } from "../../node_host/capabilities/echo.ts";
import { CapabilityRegistry, MediationPolicy } from "../../node_host/capabilities/mod.ts";
import type { ConnectionStatus } from "../../node_host/connection_status.ts";
import { runNodeHost } from "../../node_host/node_host.ts";
import { enrolNodes } from "./enrolled_nodes.ts";
import type { Fleet } from "./fleet.ts";
import type { NodeHostState } from "../../node_host/node_host_state.ts";
import { writeNodeHostRecord } from "../../node_host/node_host_record.ts";
import type { TransportPreference } from "../../node_host/transport_choice.ts";

/** How an {@linkcode InProcessNode} runs. */
export interface InProcessNodeOptions {
  readonly transport: TransportPreference;
  /** Where it looks for its daemon, `host:port`. */
  readonly endpoint: string;
  /** What `echo` does instead of the real one. */
  readonly echo?: Capability;
}

/**
 * The real node host in this process: for tests that need very many nodes, or want to see what
 * ran on one. The daemon is a process of its own.
 */
export class InProcessNode implements AsyncDisposable {
  readonly name: string;
  /** Each status it told of, in order. */
  readonly statuses: ConnectionStatus[] = [];
  readonly #state: NodeHostState;
  readonly #stopped = new AbortController();
  readonly #waiters = new Set<() => void>();
  #running: Promise<void> = Promise.resolve();

  private constructor(name: string, state: NodeHostState) {
    this.name = name;
    this.#state = state;
  }

  /**
   * Enters nodes of these names into the state of the fleet's daemon, which must not have been started yet: pairing very
   * many one by one is what a daemon refuses. Their own states go below `folder`.
   */
  static async enrol(fleet: Fleet, folder: string, names: readonly string[]): Promise<InProcessNode[]> {
    const states = await enrolNodes(fleet, folder, names, [echo.name]);
    return [...states].map(([name, state]) => new InProcessNode(name, state));
  }

  /** Starts the host; resolves when it is welcomed. */
  async start({ transport, endpoint, echo: ownEcho = echo }: InProcessNodeOptions): Promise<void> {
    const record = await this.#state.record();
    if (record === undefined) throw new Error(`${this.name} is not paired`);
    await writeNodeHostRecord(this.#state.folder, { ...record, nodeEndpoints: [endpoint] });
    this.#running = runNodeHost({
      state: this.#state,
      registry: new CapabilityRegistry([ownEcho], new MediationPolicy()),
      maxConcurrency: 64,
      transport: { preference: transport, askedBy: "the test" },
      onStatus: (status) => {
        this.statuses.push(status);
        for (const wake of this.#waiters) wake();
      },
      graceMs: 1_000,
    }, this.#stopped.signal);
    await Promise.race([this.status(({ state }) => state === "connected"), this.#running]);
  }

  /** The newest status. */
  get latest(): ConnectionStatus | undefined {
    return this.statuses.at(-1);
  }

  /** Resolves when a status `matches`, looking at those told from number `from` on. */
  async status(matches: (status: ConnectionStatus) => boolean, from = 0): Promise<ConnectionStatus> {
    for (;;) {
      const found = this.statuses.slice(from).find(matches);
      if (found !== undefined) return found;
      // deno-lint-ignore no-await-in-loop -- waits for the next status
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Stops it as a signal would. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    await this.#running.catch(() => {});
    this.#state[Symbol.dispose]();
  }
}
