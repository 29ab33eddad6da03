import { parseEndpoint } from "../../identity/endpoint.ts";
import {
  DeviceCapability,
  Hello,
  type NodeCapabilityDispatch,
  NodeEventRequest,
  type NodeEventResponse,
} from "../../proto/gen/node.ts";
import { GrpcDialer } from "../../transport/grpc/grpc_dialer.ts";
import { QuicDialer } from "../../transport/quic/quic_dialer.ts";
import type { NodeSession, SessionEnd, TransportName } from "../../transport/session.ts";
import { DAEMON_HEARTBEAT_INTERVAL_MS } from "../../transport/transport_limits.ts";
import type { TestIdentity } from "./paired_device.ts";

/** A message of a node, as the session carries it. */
export type NodeMessage = NonNullable<NodeEventRequest["message"]>;

type DaemonMessage = NonNullable<NodeEventResponse["message"]>;

/** What a {@linkcode ScriptedNode} says of itself. */
export interface ScriptedNodeOptions {
  readonly transport: TransportName;
  /** Which capability it declares, and that it must not run twice. Default: `echo`. */
  readonly capability?: string;
  /** Several, in its place. */
  readonly capabilities?: readonly string[];
  /** Requests that it takes at once. Default: 64. */
  readonly maxConcurrency?: number;
}

/** A paired node whose host does only what a test says, over a real session. It stays alive by itself. */
export class ScriptedNode implements Disposable {
  /** What it was told so far, in order. */
  readonly received: DaemonMessage[] = [];
  readonly #session: NodeSession;
  readonly #waiters = new Set<() => void>();
  #alive: ReturnType<typeof setInterval> | undefined;
  #eventsSent = 0;
  #eventsAnswered = 0;
  #end: SessionEnd | undefined;

  private constructor(session: NodeSession) {
    this.#session = session;
    session.onMessage = ({ message }) => {
      if (message === undefined) this.#eventsAnswered++;
      else this.received.push(message);
      this.#wake();
    };
    void session.closed.then((end) => {
      clearInterval(this.#alive);
      this.#end = end;
      this.#wake();
    });
  }

  /** Opens a session; resolves with the Welcome. */
  static async connect(nodeRpc: string, identity: TestIdentity, options: ScriptedNodeOptions): Promise<ScriptedNode> {
    const { caPem, certificatePem, keyPem, deviceId } = identity;
    const { transport, capability = "echo", maxConcurrency = 64 } = options;
    const target = {
      endpoint: parseEndpoint(nodeRpc),
      material: () => ({ caPem: [caPem], certificatePem, keyPem }),
    };
    const dialer = transport === "quic" ? new QuicDialer(target) : new GrpcDialer(target);
    const node = new ScriptedNode(await dialer.dial(new AbortController().signal));
    const declared = (options.capabilities ?? [capability]).map((name) =>
      DeviceCapability.create({ name, available: true, version: "1.0.0" })
    );
    node.send({
      $case: "hello",
      value: Hello.create({
        deviceId: { ulid: deviceId },
        platform: "test",
        instanceId: "scripted",
        capabilities: declared,
        maxConcurrency,
      }),
    });
    await node.first("welcome");
    node.#alive = setInterval(() => node.send({ $case: "heartbeat", value: {} }), DAEMON_HEARTBEAT_INTERVAL_MS);
    return node;
  }

  send(message: NodeMessage): void {
    this.#session.send(NodeEventRequest.create({ v: 1, message }));
  }

  /** Sends an event that is none of the typed messages. */
  sendEvent(eventName: string, payloadJson: Uint8Array): void {
    this.#eventsSent++;
    this.#session.send(NodeEventRequest.create({ v: 1, eventName, payloadJson }));
  }

  /** The dispatches that came so far. */
  get dispatches(): readonly NodeCapabilityDispatch[] {
    return this.received.flatMap((message) => message.$case === "dispatch" ? [message.value] : []);
  }

  /** Resolves when so many dispatches have come. */
  async dispatched(count: number): Promise<readonly NodeCapabilityDispatch[]> {
    await this.#until(() => this.dispatches.length >= count);
    return this.dispatches;
  }

  /** Resolves when the daemon has dealt with everything that was sent before: it answers events in their order. */
  async settled(): Promise<void> {
    this.sendEvent("test.settled", new Uint8Array());
    const wanted = this.#eventsSent;
    await this.#until(() => this.#eventsAnswered >= wanted);
  }

  /** Resolves when the daemon has said that the node may forget an attempt of this request. */
  async acknowledged(requestId: string): Promise<void> {
    const names = (message: DaemonMessage) =>
      message.$case === "resultAck" && message.value.attempts.some((each) => each.requestId?.ulid === requestId);
    await this.#until(() => this.received.some(names));
  }

  /** Resolves when the session has ended, with who ended it and why. */
  get ended(): Promise<SessionEnd> {
    return this.#session.closed;
  }

  /** Resolves when the first message of a kind has come. */
  async first(kind: DaemonMessage["$case"]): Promise<void> {
    await this.#until(() => this.received.some(({ $case }) => $case === kind));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#alive);
    this.#session.close("shutting_down", "the test is over");
  }

  /** Rejects when the session ends before it holds. */
  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#end !== undefined) throw new Error(`the session ended: ${this.#end.code}, ${this.#end.message}`);
      // deno-lint-ignore no-await-in-loop -- looks again after each message
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }
}
