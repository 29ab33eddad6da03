import assert from "node:assert/strict";
import { join } from "node:path";
import { type DeviceId, newDeviceId, newUlid } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { RevocationIndex } from "../identity/revocation_index.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { DeviceCapability, Hello, NodeEventRequest, type NodeEventResponse } from "../proto/gen/node.ts";
import type { DaemonSession, PeerCertificate, SessionEnd } from "../transport/session.ts";
import { checkOrder } from "./capability_order.ts";
import { CapabilityQueue } from "./capability_queue.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { NodeRuntimeState } from "./node_runtime_state.ts";
import { NodeSessionServer } from "./node_session_server.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

/** The daemon's end of a session whose other end is the test; it closes as late as a real one may. */
class TestSession implements DaemonSession {
  readonly transport = "grpc";
  readonly remoteAddress = "192.0.2.1:5000";
  readonly sent: NodeEventResponse[] = [];
  readonly #end = Promise.withResolvers<SessionEnd>();
  readonly closed = this.#end.promise;
  readonly #heard = new Set<() => void>();
  onMessage: ((message: NodeEventRequest) => void) | undefined;
  code: ReasonCode | undefined;

  constructor(readonly peer: PeerCertificate) {}

  send(message: NodeEventResponse): void {
    if (this.code !== undefined) return;
    this.sent.push(message);
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
  get cases(): (string | undefined)[] {
    return this.sent.map(({ message }) => message?.$case);
  }
  /** Waits until something of `kind` was sent, or the session was closed. */
  async until(kind: string): Promise<void> {
    while (!this.cases.includes(kind) && this.code === undefined) {
      // deno-lint-ignore no-await-in-loop -- waits for the next message
      await new Promise<void>((resolve) => this.#heard.add(resolve));
    }
  }
  say(message: NonNullable<NodeEventRequest["message"]>): void {
    this.onMessage?.(NodeEventRequest.create({ v: 1, message }));
  }
}

class Bench implements AsyncDisposable {
  readonly deviceId: DeviceId = newDeviceId();
  readonly peer: PeerCertificate = { fingerprint: fingerprintOf(new Uint8Array([1])), der: new Uint8Array([1]) };
  readonly #sessions: TestSession[] = [];

  private constructor(
    readonly folder: string,
    readonly store: SqliteStore,
    readonly devices: DeviceRegistry,
    readonly runtime: NodeRuntimeState,
    readonly queue: CapabilityQueue,
    readonly server: NodeSessionServer,
  ) {}

  static async open(clientKind: DeviceRecord["clientKind"] = "node"): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
    const devices = await DeviceRegistry.load(store, new RevocationIndex(), systemClock);
    const runtime = await NodeRuntimeState.load(store, devices, systemClock);
    const queue = await CapabilityQueue.open({ store, policy: runtime, clock: systemClock });
    const server = new NodeSessionServer({ devices, runtime, queue, trustBundlePem: () => "", clock: systemClock });
    const bench = new Bench(folder, store, devices, runtime, queue, server);
    const device: DeviceRecord = {
      deviceId: bench.deviceId,
      clientKind,
      status: "paired",
      deviceName: "laptop",
      platform: "test",
      publicKey: new Uint8Array(32),
      identityFingerprint: bench.peer.fingerprint,
      grantedCapabilities: ["echo"],
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
    this.queue.close();
    await this.store.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("NodeSessionServer welcomes a node with the next epoch and dispatches to it", async () => {
  await using bench = await Bench.open();
  const first = await bench.welcomed();
  assert.equal(bench.runtime.connection(bench.deviceId)?.epoch, 1);
  await bench.queue.submit(bench.order());
  assert.deepEqual(first.cases, ["welcome", "dispatch"]);
});

Deno.test("NodeSessionServer lets a newer session take over at once and ignores the older one", async () => {
  await using bench = await Bench.open();
  const first = await bench.welcomed();
  const second = await bench.welcomed();
  assert.equal(first.code, "session_replaced");
  assert.equal(bench.runtime.connection(bench.deviceId)?.epoch, 2);
  const before = first.sent.length;
  const { record } = await bench.queue.submit(bench.order());
  assert.equal(first.sent.length, before);
  assert.ok(second.cases.includes("dispatch"));
  const attempt = { requestId: { ulid: record.requestId }, attempt: 1 };
  first.say({ $case: "accepted", value: { attempt } });
  assert.equal((await bench.queue.get(record.requestId))?.state, "dispatched", "an old epoch's word counts nothing");
  first.disconnect();
  await first.closed;
  assert.ok(bench.runtime.connection(bench.deviceId) !== undefined, "its end takes nobody else out of the presence");
});

Deno.test("NodeSessionServer gives nothing to a session that was closed during its Hello", async () => {
  await using bench = await Bench.open();
  const session = bench.accept();
  session.say(bench.hello());
  bench.server.closeDevice(bench.deviceId, "device_revoked", "Revoked.");
  await bench.store.transaction(() => Promise.resolve());
  await bench.store.transaction(() => Promise.resolve());
  assert.equal(bench.runtime.connection(bench.deviceId), undefined);
  await bench.queue.submit(bench.order()).catch(() => {});
  assert.deepEqual(session.sent, []);
  assert.equal(session.code, "device_revoked");
});

Deno.test("NodeSessionServer takes a node out of the presence the moment its session is told to end", async () => {
  await using bench = await Bench.open();
  const session = await bench.welcomed();
  bench.server.closeDevice(bench.deviceId, "device_revoked", "Revoked.");
  assert.equal(bench.runtime.connection(bench.deviceId), undefined, "though the connection is still being flushed");
  const { record } = await bench.queue.submit(bench.order());
  assert.equal(record.state, "queued");
  assert.deepEqual(session.cases, ["welcome"]);
});

Deno.test("NodeSessionServer.shutDown() says drain, ends the sessions and takes no more", async () => {
  await using bench = await Bench.open();
  const session = await bench.welcomed();
  const down = bench.server.shutDown();
  session.disconnect();
  await down;
  assert.deepEqual(session.cases, ["welcome", "drain"]);
  assert.equal(session.code, "shutting_down");
  assert.equal(bench.accept().code, "shutting_down");
});

Deno.test("NodeSessionServer refuses who is no node, who is unknown and who says another id", async () => {
  await using operator = await Bench.open("cli");
  assert.equal(operator.accept().code, "device_mismatch");
  await using bench = await Bench.open();
  const stranger = { fingerprint: fingerprintOf(new Uint8Array([2])), der: new Uint8Array([2]) };
  assert.equal(bench.accept(stranger).code, "device_unknown");
  const liar = bench.accept();
  liar.say(bench.hello({ deviceId: { ulid: newDeviceId() } }));
  await liar.until("welcome");
  assert.equal(liar.code, "device_mismatch");
});

const WRONG: [string, NonNullable<NodeEventRequest["message"]>, ReasonCode][] = [
  ["a second Hello", { $case: "hello", value: Hello.create({}) }, "protocol_mismatch"],
  ["a result of nothing", {
    $case: "result",
    value: { attempt: undefined, success: true, outputJson: new Uint8Array(), errorCode: "", error: "" },
  }, "invalid_argument"],
  ["progress that is no JSON", {
    $case: "progress",
    value: {
      attempt: { requestId: { ulid: newUlid() }, attempt: 1 },
      sequence: 1,
      payloadJson: new TextEncoder().encode("half"),
    },
  }, "invalid_argument"],
];

for (const [what, message, code] of WRONG) {
  Deno.test(`NodeSessionServer ends a session that says ${what}`, async () => {
    await using bench = await Bench.open();
    const session = await bench.welcomed();
    session.say(message);
    assert.equal(session.code, code);
    assert.equal(bench.runtime.connection(bench.deviceId), undefined);
  });
}
