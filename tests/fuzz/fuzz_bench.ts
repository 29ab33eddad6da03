import { join } from "node:path";
import { AdminClient } from "../../daemon/admin_client.ts";
import { readOperatorCredentials } from "../../daemon/operator_credentials.ts";
import { type Endpoint, parseEndpoint } from "../../identity/endpoint.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import { Fleet } from "../harness/fleet.ts";
import { identityOf, type TestIdentity } from "../harness/paired_device.ts";
import type { Finished } from "../harness/program.ts";
import { LiveTap } from "./live_tap.ts";
import { MemorySamples } from "./memory_samples.ts";
import type { SentLog } from "./sent_log.ts";
import { Intruder } from "./intruder.ts";

/** Pause between two requests that show that the node is served, in milliseconds. */
const ECHO_PAUSE_MS = 100;

/** How long a client may take to be let in after a flood of handshakes, in milliseconds. */
const RECOVERY_MS = 20_000;

/** Pause between two tries to be let in, in milliseconds. */
const RETRY_MS = 50;

/** One run of fire. */
export interface FireOptions {
  /** The same seed makes the same decisions; what the daemon answers has its own chance in it. */
  readonly seed: number;
  /** How much is sent. */
  readonly count: number;
  readonly log: SentLog;
}

/** What was served while the daemon was under fire. */
export interface ServiceReport {
  /** Requests that went from an operator through the daemon to the node and back. */
  readonly echoes: number;
  readonly slowestMs: number;
  /** From the end of the fire until a new QUIC client had its answer, in milliseconds. */
  readonly recoveryMs: number;
}

/** A real daemon with a real node on QUIC, which works all the time, and somebody else's paired device to attack with. */
export class FuzzBench implements AsyncDisposable {
  readonly #fleet: Fleet;
  readonly #admin: AdminClient;
  readonly tap: LiveTap;
  /** The daemon's. */
  readonly memory: MemorySamples;
  /** A device that the daemon lets in. */
  readonly intruder: TestIdentity;
  readonly daemon: Endpoint;
  readonly #epoch: bigint | number;
  readonly #working: Promise<void>;
  readonly #stop = new AbortController();
  #failure: Error | undefined;
  #echoes = 0;
  #slowestMs = 0;

  private constructor(
    parts: {
      readonly fleet: Fleet;
      readonly admin: AdminClient;
      readonly tap: LiveTap;
      readonly epoch: bigint | number;
    },
    { daemon, intruder }: { readonly daemon: Endpoint; readonly intruder: TestIdentity },
  ) {
    this.#fleet = parts.fleet;
    this.#admin = parts.admin;
    this.tap = parts.tap;
    this.#epoch = parts.epoch;
    this.daemon = daemon;
    this.intruder = intruder;
    this.memory = MemorySamples.start(parts.fleet.daemon.pid);
    void parts.fleet.daemon.ended.then((finished) => this.#daemonEnded(finished));
    this.#working = this.#work();
  }

  /** Starts everything; the node is connected when it resolves. */
  static async start(): Promise<FuzzBench> {
    const fleet = await Fleet.create();
    let tap: LiveTap | undefined;
    try {
      const { nodeRpc } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
      await fleet.pair("worker");
      await fleet.pair("intruder");
      const daemon = parseEndpoint(nodeRpc);
      tap = LiveTap.start({ transport: "udp", hostname: daemon.host, port: daemon.port });
      await fleet.divert("worker", tap.endpoint);
      await fleet.connect("worker", ["--transport", "quic"]);
      const secrets = await SecretStore.open(join(fleet.daemonRoot, "palyrad", "secrets"));
      const admin = new AdminClient(nodeRpc, await readOperatorCredentials(secrets));
      const { epoch } = await admin.getNode({ deviceId: "worker" });
      return new FuzzBench({ fleet, admin, tap, epoch }, { daemon, intruder: await identityOf(fleet, "intruder") });
    } catch (error) {
      await tap?.[Symbol.asyncDispose]();
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Throws when the daemon has ended, or has failed its node. */
  assertServing(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /**
   * Throws when the daemon does not serve: the node that was there before has to be there still, in the same session and
   * with all of its requests answered, and a new client has to get its answer.
   */
  async finish(): Promise<ServiceReport> {
    const from = performance.now();
    const client = await this.connectIntruder(RECOVERY_MS);
    await client[Symbol.asyncDispose]();
    const recoveryMs = performance.now() - from;
    const { epoch, transport } = await this.#admin.getNode({ deviceId: "worker" });
    this.assertServing();
    if (transport !== "quic") throw new Error(`the node is connected by ${transport || "nothing"}, not by QUIC`);
    if (epoch !== this.#epoch) throw new Error(`the node's session was lost: epoch ${epoch}, not ${this.#epoch}`);
    return { echoes: this.#echoes, slowestMs: this.#slowestMs, recoveryMs };
  }

  /** Connections and requests that the daemon's QUIC listener has refused since its start, by reason. */
  async refusals(): Promise<ReadonlyMap<string, number>> {
    const { listeners } = await this.#admin.getStatus({});
    const refusals = listeners.find(({ name }) => name === "quic")?.refusals ?? [];
    return new Map(refusals.map(({ reasonCode, count }) => [reasonCode, Number(count)]));
  }

  /** Connects as the intruder and is let in; tries again for `patienceMs`, since there are limits, and then throws. */
  async connectIntruder(patienceMs: number): Promise<Intruder> {
    const until = performance.now() + patienceMs;
    let last: unknown;
    do {
      try {
        // deno-lint-ignore no-await-in-loop -- one try after the other
        const client = await Intruder.connect(this.daemon, this.intruder);
        // deno-lint-ignore no-await-in-loop -- one try after the other
        if (await client.isServed()) return client;
        last = client.ending;
        // deno-lint-ignore no-await-in-loop -- one try after the other
        await client[Symbol.asyncDispose]();
      } catch (error) {
        last = error;
      }
      this.assertServing();
      // deno-lint-ignore no-await-in-loop -- a pause between the tries
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    } while (performance.now() < until);
    throw new Error(`the daemon let nobody in for ${patienceMs} ms: ${last}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#working;
    await this.memory[Symbol.asyncDispose]();
    this.#admin[Symbol.dispose]();
    await this.#fleet[Symbol.asyncDispose]();
    await this.tap[Symbol.asyncDispose]();
  }

  /** Has the node do something over and over, and remembers the first failure. */
  async #work(): Promise<void> {
    for (let number = 0; !this.#stop.signal.aborted && this.#failure === undefined; number++) {
      const inputJson = new TextEncoder().encode(JSON.stringify({ number }));
      const from = performance.now();
      try {
        // deno-lint-ignore no-await-in-loop -- one request after the other
        const { state, error } = await this.#admin.execute({
          deviceId: "worker",
          capability: "echo",
          inputJson,
          maxPayloadBytes: 0,
          timeoutMs: 15_000,
          idempotencyKey: "",
        });
        if (state !== "succeeded") throw new Error(`the node's request ended as ${state}: ${error}`);
        this.#echoes++;
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - from);
      } catch (error) {
        if (!this.#stop.signal.aborted) this.#fail(error instanceof Error ? error : new Error(String(error)));
      }
      // deno-lint-ignore no-await-in-loop -- a pause between the requests
      await new Promise((resolve) => setTimeout(resolve, ECHO_PAUSE_MS));
    }
  }

  #daemonEnded({ code, stderr }: Finished): void {
    if (!this.#stop.signal.aborted) this.#fail(new Error(`the daemon ended with ${code}:\n${stderr.slice(-4_000)}`));
  }

  #fail(error: Error): void {
    this.#failure ??= error;
  }
}
