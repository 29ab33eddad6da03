import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../identity/device_id.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { DeviceCapability, Hello, type NodeEventRequest } from "../proto/gen/node.ts";
import { NodeSessionBench } from "./testing/node_session_bench.ts";

Deno.test("NodeSessionServer welcomes a node with the next epoch and dispatches to it", async () => {
  await using bench = await NodeSessionBench.open();
  const first = await bench.welcomed();
  assert.equal(bench.runtime.connection(bench.deviceId)?.epoch, 1);
  await bench.queue.submit(bench.order());
  assert.deepEqual(first.cases, ["welcome", "dispatch"]);
});

Deno.test("NodeSessionServer lets a newer session take over at once and ignores the older one", async () => {
  await using bench = await NodeSessionBench.open();
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
  assert.equal(bench.queue.ignored.counts.get("ended_session"), 1, "but it is counted");
  first.disconnect();
  await first.closed;
  assert.ok(bench.runtime.connection(bench.deviceId) !== undefined, "its end takes nobody else out of the presence");
});

Deno.test("NodeSessionServer.closeExpired() ends a session once its certificate is over by more than clocks may differ", async () => {
  await using bench = await NodeSessionBench.open();
  const session = await bench.welcomed();
  bench.aheadMs = 3_600_000 + 4 * 60_000;
  bench.server.closeExpired();
  assert.equal(session.code, undefined);
  bench.aheadMs = 3_600_000 + 5 * 60_000;
  bench.server.closeExpired();
  assert.equal(session.code, "certificate_expired");
  assert.equal(bench.runtime.connection(bench.deviceId), undefined);
});

Deno.test("NodeSessionServer runs no more of a capability at once than the node declares", async () => {
  await using bench = await NodeSessionBench.open();
  const session = bench.accept();
  const declared = DeviceCapability.create({ name: "echo", available: true, idempotent: true, maxConcurrency: 2 });
  session.say(bench.hello({ capabilities: [declared] }));
  await session.until("welcome");
  await Promise.all([1, 2, 3].map(() => bench.queue.submit(bench.order())));
  assert.deepEqual(bench.queue.countsOf(bench.deviceId), { queued: 1, inFlight: 2 });
});

Deno.test("NodeSessionServer acknowledges what the node's journal shows as cut off and nobody waits for", async () => {
  await using bench = await NodeSessionBench.open();
  const session = bench.accept();
  const attempt = { requestId: { ulid: newUlid() }, attempt: 1 };
  session.say(bench.hello({ journalId: "journal", interrupted: [attempt] }));
  await session.until("resultAck");
  const acknowledged = session.sent.flatMap(({ message }) =>
    message?.$case === "resultAck" ? message.value.attempts : []
  );
  assert.deepEqual(acknowledged, [attempt]);
});

Deno.test("NodeSessionServer gives nothing to a session that was closed during its Hello", async () => {
  await using bench = await NodeSessionBench.open();
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
  await using bench = await NodeSessionBench.open();
  const session = await bench.welcomed();
  bench.server.closeDevice(bench.deviceId, "device_revoked", "Revoked.");
  assert.equal(bench.runtime.connection(bench.deviceId), undefined, "though the connection is still being flushed");
  const { record } = await bench.queue.submit(bench.order());
  assert.equal(record.state, "queued");
  assert.deepEqual(session.cases, ["welcome"]);
});

Deno.test("NodeSessionServer.shutDown() says drain, ends the sessions and takes no more", async () => {
  await using bench = await NodeSessionBench.open();
  const session = await bench.welcomed();
  const down = bench.server.shutDown();
  session.disconnect();
  await down;
  assert.deepEqual(session.cases, ["welcome", "drain"]);
  assert.equal(session.code, "shutting_down");
  assert.equal(bench.accept().code, "shutting_down");
});

Deno.test("NodeSessionServer refuses who is no node, who is unknown and who says another id", async () => {
  await using operator = await NodeSessionBench.open("cli");
  assert.equal(operator.accept().code, "device_mismatch");
  await using bench = await NodeSessionBench.open();
  const stranger = { fingerprint: fingerprintOf(new Uint8Array([2])), der: new Uint8Array([2]) };
  assert.equal(bench.accept(stranger).code, "device_unknown");
  const liar = bench.accept();
  liar.say(bench.hello({ deviceId: { ulid: newDeviceId() } }));
  await liar.until("welcome");
  assert.equal(liar.code, "device_mismatch");
});

const opened = (epoch: number) => ["session.opened", { epoch, transport: "grpc" }];
const closed = (epoch: number, reason_code: ReasonCode) => [
  "session.closed",
  { epoch, transport: "grpc", reason_code },
];

Deno.test("NodeSessionServer tells a welcomed node of each new event of its device, and of none before", async () => {
  await using bench = await NodeSessionBench.open();
  await bench.notify("before the session");
  const session = await bench.welcomed();
  await bench.notify("first");
  await bench.notify("second");
  await session.until("event", 2);
  assert.deepEqual(session.events, [
    [3, "notice.test", `{"text":"first"}`],
    [4, "notice.test", `{"text":"second"}`],
  ]);
  assert.equal(session.cases[0], "welcome");
});

Deno.test("NodeSessionServer tells of events that were written while it welcomed the node", async () => {
  await using bench = await NodeSessionBench.open();
  const session = bench.accept();
  session.say(bench.hello());
  await bench.notify("meanwhile");
  await session.until("event");
  assert.deepEqual(session.cases, ["welcome", "event"]);
  assert.deepEqual(session.events, [[2, "notice.test", `{"text":"meanwhile"}`]]);
});

Deno.test("NodeSessionServer tells a session that has ended of nothing, and the one in its place of everything", async () => {
  await using bench = await NodeSessionBench.open();
  const first = await bench.welcomed();
  const second = await bench.welcomed();
  await bench.notify("to the second");
  await second.until("event", 2);
  assert.deepEqual([first.events, first.late], [[], []]);
  assert.deepEqual(second.events, [
    [3, "session.closed", `{"epoch":1,"transport":"grpc","reason_code":"session_replaced"}`],
    [4, "notice.test", `{"text":"to the second"}`],
  ]);
});

Deno.test("NodeSessionServer goes on with a session whose events cannot be read", async () => {
  await using bench = await NodeSessionBench.open();
  const session = await bench.welcomed();
  bench.events.close();
  await bench.queue.submit(bench.order());
  assert.deepEqual([session.cases, session.code], [["welcome", "dispatch"], undefined]);
});

Deno.test("NodeSessionServer logs each session's begin and end with its reason", async () => {
  await using bench = await NodeSessionBench.open();
  await bench.welcomed();
  const second = await bench.welcomed();
  second.disconnect();
  await second.closed;
  const third = await bench.welcomed();
  third.say({ $case: "hello", value: Hello.create({}) });
  assert.deepEqual(await bench.logged(6), [
    opened(1),
    opened(2),
    closed(1, "session_replaced"),
    closed(2, "connection_lost"),
    opened(3),
    closed(3, "protocol_mismatch"),
  ]);
});

Deno.test("NodeSessionServer logs the end of a session that ended while it was being let in", async () => {
  await using bench = await NodeSessionBench.open();
  const session = bench.accept();
  session.say(bench.hello());
  bench.server.closeDevice(bench.deviceId, "device_revoked", "Revoked.");
  assert.deepEqual(await bench.logged(2), [opened(1), closed(1, "device_revoked")]);
  assert.equal(bench.runtime.connection(bench.deviceId), undefined);
});

Deno.test("NodeSessionServer logs nothing of a session that was refused or said no Hello", async () => {
  await using bench = await NodeSessionBench.open();
  const silent = bench.accept();
  silent.disconnect();
  await silent.closed;
  const rude = bench.accept();
  rude.say({ $case: "heartbeat", value: {} });
  assert.equal(rude.code, "protocol_mismatch");
  assert.deepEqual(await bench.logged(0), []);
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
    await using bench = await NodeSessionBench.open();
    const session = await bench.welcomed();
    session.say(message);
    assert.equal(session.code, code);
    assert.equal(bench.runtime.connection(bench.deviceId), undefined);
  });
}
