import assert from "node:assert/strict";
import { join } from "node:path";
import { type DeviceId, newDeviceId } from "../../identity/device_id.ts";
import { type Fingerprint, fingerprintOf } from "../../identity/fingerprint.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { RevocationIndex } from "../../identity/revocation_index.ts";
import { systemClock, type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { DeviceCapability, Hello, NodeEventRequest, type NodeEventResponse } from "../../proto/gen/node.ts";
import type { DaemonSession, PeerCertificate, SessionEnd } from "../../transport/session.ts";
import { checkOrder } from "../capability_order.ts";
import { CapabilityQueue } from "../capability_queue.ts";
import { DeviceEventLog } from "../device_event_log.ts";
import { DeviceRegistry } from "../device_registry.ts";
import { NodeRuntimeState } from "../node_runtime_state.ts";
import { NodeSessionServer } from "../node_session_server.ts";
import type { DeviceRecord } from "../store/device_record.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";

/** The daemon's end of a session whose other end is the test; it closes as late as a real one may. */
export class TestSession implements DaemonSession {
  readonly receivedAt = undefined;
  readonly transport = "grpc";
  readonly remoteAddress = "192.0.2.1:5000";
  readonly sent: NodeEventResponse[] = [];
  /** What was to be sent after the end, which nobody reads. */
  readonly late: NodeEventResponse[] = [];
  readonly #end = Promise.withResolvers<SessionEnd>();
  readonly closed = this.#end.promise;
  readonly #heard = new Set<() => void>();
  onMessage: ((message: NodeEventRequest) => void) | undefined;
  code: ReasonCode | undefined;

  constructor(readonly peer: PeerCertificate) {}

  send(message: NodeEventResponse): void {
    (this.code === undefined ? this.sent : this.late).push(message);
    for (const wake of this.#heard) wake();
  }
  close(code: ReasonCode): void {
    this.code ??= code;
    for (const wake of this.#heard) wake();
  }
  abort(code: ReasonCode): void {
    this.close(code);
    this.disconnect();
  }
  disconnect(): void {
    this.#end.resolve({ by: "local", code: this.code ?? "connection_lost", message: "" });
  }
  /** The events that the node was told of: number, name and payload. */
  get events(): unknown[] {
    return this.sent.flatMap(({ message }) =>
      message?.$case === "event"
        ? [[message.value.sequence, message.value.name, new TextDecoder().decode(message.value.payloadJson)]]
        : []
    );
  }
  get cases(): (string | undefined)[] {
    return this.sent.map(({ message }) => message?.$case);
  }
  /** Waits until `count` messages of `kind` were sent, or the session was closed. */
  async until(kind: string, count = 1): Promise<void> {
    while (this.cases.filter((each) => each === kind).length < count && this.code === undefined) {
      // deno-lint-ignore no-await-in-loop -- waits for the next message
      await new Promise<void>((resolve) => this.#heard.add(resolve));
    }
  }
  say(message: NonNullable<NodeEventRequest["message"]>): void {
    this.onMessage?.(NodeEventRequest.create({ v: 1, message }));
  }
}

/** A session server on a real store, with one paired device. */
export class NodeSessionBench implements AsyncDisposable {
  readonly deviceId: DeviceId = newDeviceId();
  readonly peer: PeerCertificate = { fingerprint: fingerprintOf(new Uint8Array([1])), der: new Uint8Array([1]) };
  trustBundlePem = "";
  /** How far the clock of the sessions is ahead, in milliseconds. */
  aheadMs = 0;
  /** Of the CA that issues. */
  issuer: Fingerprint = fingerprintOf(new Uint8Array());
  readonly #sessions: TestSession[] = [];

  private constructor(
    readonly folder: string,
    readonly store: SqliteStore,
    readonly devices: DeviceRegistry,
    readonly runtime: NodeRuntimeState,
    readonly queue: CapabilityQueue,
    readonly events: DeviceEventLog,
    readonly server: NodeSessionServer,
  ) {}

  static async open(clientKind: DeviceRecord["clientKind"] = "node"): Promise<NodeSessionBench> {
    const folder = await Deno.makeTempDir();
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
    const devices = await DeviceRegistry.load(store, new RevocationIndex(), systemClock);
    const runtime = await NodeRuntimeState.load(store, devices, systemClock);
    const queue = await CapabilityQueue.open({ store, policy: runtime, clock: systemClock });
    const clock = (): UnixMs => unixMs(systemClock() + bench.aheadMs);
    const events = new DeviceEventLog({ store, devices, clock });
    const trustBundlePem = (): string => bench.trustBundlePem;
    const issuer = (): Fingerprint => bench.issuer;
    const server = new NodeSessionServer({ devices, runtime, queue, events, trustBundlePem, issuer, clock });
    const bench: NodeSessionBench = new NodeSessionBench(folder, store, devices, runtime, queue, events, server);
    const device: DeviceRecord = {
      deviceId: bench.deviceId,
      clientKind,
      status: "paired",
      deviceName: "laptop",
      platform: "test",
      publicKey: new Uint8Array(32),
      identityFingerprint: bench.peer.fingerprint,
      grantedCapabilities: ["echo"],
      deniedCapabilities: [],
      recoveryAllowed: true,
      recoveryCount: 0,
      pairedAt: systemClock(),
      approvedBy: "operator",
    };
    await store.transaction((tx) => tx.devices.put(device));
    devices.putDevice(device);
    devices.putCertificate({
      fingerprint: bench.peer.fingerprint,
      deviceId: bench.deviceId,
      issuedAt: systemClock(),
      expiresAt: unixMs(systemClock() + 3_600_000),
      pem: "",
      caFingerprint: bench.issuer,
    });
    return bench;
  }

  accept(peer: PeerCertificate = this.peer): TestSession {
    const session = new TestSession(peer);
    this.#sessions.push(session);
    this.server.accept(session);
    return session;
  }

  hello(changes: Partial<Hello> = {}): NonNullable<NodeEventRequest["message"]> {
    const capabilities = [DeviceCapability.create({ name: "echo", available: true, idempotent: true })];
    const value = {
      ...Hello.create({ deviceId: { ulid: this.deviceId }, platform: "test", instanceId: "i", capabilities }),
      ...changes,
    };
    return { $case: "hello", value };
  }

  async welcomed(): Promise<TestSession> {
    const session = this.accept();
    session.say(this.hello());
    await session.until("welcome");
    assert.equal(session.code, undefined);
    return session;
  }

  async notify(text: string): Promise<void> {
    await this.events.publish(this.deviceId, { name: "notice.test", payload: { text } });
  }

  /** The device's log once it has at least `count` events: names, and payloads without the addresses. */
  async logged(count: number): Promise<unknown[]> {
    const enough = new AbortController();
    if (count === 0) enough.abort();
    for await (const { sequence } of this.events.read(this.deviceId, 0, enough.signal)) {
      if (sequence === count) enough.abort();
    }
    const events = await Array.fromAsync(this.events.kept(this.deviceId, 0));
    return events.map(({ name, payload: { remote_address: _, ...payload } }) => [name, payload]);
  }

  order() {
    return checkOrder({
      deviceId: this.deviceId,
      capability: "echo",
      inputJson: new Uint8Array(),
      maxPayloadBytes: 0,
      timeoutMs: 0,
      requestedBy: "operator",
      idempotencyKey: "",
    }, 60_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.disconnect();
    await Promise.all(this.#sessions.map((session) => session.closed));
    this.events.close();
    this.queue.close();
    await this.store.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}
