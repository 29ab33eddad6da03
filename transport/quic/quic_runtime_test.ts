import assert from "node:assert/strict";
import { NodeEventRequest } from "../../proto/gen/node.ts";
import type { DaemonSession } from "../session.ts";
import { encodeFrame } from "./frame_writer.ts";
import { SESSION_END_FRAME, sessionFrames } from "./session_frame.ts";
import { AskedStream, requestFrame } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { Recorder } from "./testing/recorder.ts";
import { assertHealthy, assertServes, type RuntimeFixture, startRuntime } from "./testing/runtime_fixture.ts";
import { DenoQuicClient } from "./testing/deno_quic_client.ts";

Deno.test("QuicRuntime.start() throws listen_failed when the port is in use, and leaves nothing behind", async () => {
  await using fixture = await startRuntime();
  await assert.rejects(startRuntime({ port: fixture.address.port }), { code: "listen_failed" });
  await assert.rejects(startRuntime({ limits: { maxConnections: -1 } }), RangeError);
  await assertServes(fixture.address);
});

Deno.test("QuicRuntime counts what it lets in, what is open, what it refuses, and datagrams", async () => {
  await using fixture = await startRuntime({ limits: { maxConnectionsPerPeer: 1 } });
  const { runtime } = fixture;
  assert.deepEqual({ ...runtime.counters, refused: [...runtime.counters.refused] }, {
    accepted: 0,
    open: 0,
    held: 0,
    refused: [],
    datagramsReceived: 0,
    datagramsSent: 0,
    datagramsDropped: 0,
  });
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(fixture.address, { identity });
  await assertHealthy(client);
  await using refused = RawQuicClient.begin(fixture.address, { identity });
  await refused.closed;
  const { accepted, open, refused: refusals, datagramsReceived, datagramsSent, datagramsDropped } = runtime.counters;
  assert.deepEqual({ accepted, open, datagramsDropped }, { accepted: 1, open: 1, datagramsDropped: 0 });
  assert.deepEqual([...refusals], [["connection_limit", 1]]);
  assert.ok(datagramsReceived >= 6 && datagramsSent >= 6, `${datagramsReceived} received, ${datagramsSent} sent`);
});

/** The daemon's end of a session, with what comes on it. */
async function sessionOf(fixture: RuntimeFixture): Promise<{ session: DaemonSession; received: Recorder<string> }> {
  const session = await fixture.sessions.at(0);
  const received = new Recorder<string>();
  session.onMessage = ({ eventName }) => received.add(eventName);
  return { session, received };
}

function messageFrames(eventName: string): Uint8Array {
  const bytes = NodeEventRequest.encode(NodeEventRequest.create({ v: 1, eventName })).finish();
  return joined(...sessionFrames(bytes, 512 * 1024));
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

Deno.test("QuicRuntime gives a session what came together with the request for it", async () => {
  await using fixture = await startRuntime();
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.open(client.connection);
  stream.write(joined(requestFrame("node.open_session"), messageFrames("first"), messageFrames("second")));
  assert.deepEqual(await stream.answers.at(0), { kind: "session" });
  const { received } = await sessionOf(fixture);
  assert.deepEqual(await received.first(2), ["first", "second"]);
  stream.write(SESSION_END_FRAME, { fin: true });
  // The daemon says the same, and the client goes.
  assert.deepEqual(await stream.others.at(0), SESSION_END_FRAME.subarray(4));
  await client[Symbol.asyncDispose]();
  const end = await (await fixture.sessions.at(0)).closed;
  assert.deepEqual([end.by, end.code], ["peer", "shutting_down"]);
});

Deno.test("QuicRuntime serves other requests on the connection of a session", async () => {
  await using fixture = await startRuntime();
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.ask(client.connection, "node.open_session");
  const { received } = await sessionOf(fixture);
  await assertHealthy(client);
  const events = AskedStream.ask(client.connection, "node.stream_events", 4);
  assert.equal((await events.answers.at(0)).kind, "event");
  stream.write(messageFrames("still here"));
  assert.equal(await received.at(0), "still here");
});

const BROKEN = [
  ["a frame that announces too much", Uint8Array.of(0xff, 0, 0, 0), "message_too_large"],
  ["an empty frame", encodeFrame(new Uint8Array()), "protocol_mismatch"],
  ["a frame with an unknown flag", encodeFrame(Uint8Array.of(9)), "protocol_mismatch"],
  ["an end with a body", encodeFrame(Uint8Array.of(2, 0)), "protocol_mismatch"],
  ["what is no message", encodeFrame(Uint8Array.of(0, 0xff)), "protocol_mismatch"],
] as const;

for (const [what, bytes, code] of BROKEN) {
  Deno.test(`QuicRuntime ends a session with ${code} on ${what}, and gives on what came before`, async () => {
    await using fixture = await startRuntime();
    await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
    const stream = AskedStream.ask(client.connection, "node.open_session");
    const { session, received } = await sessionOf(fixture);
    stream.write(messageFrames("before"));
    assert.equal(await received.at(0), "before");
    stream.write(bytes);
    // A goodbye that says why, and the end of the session.
    assert.ok((await stream.others.at(0)).length > 1);
    assert.deepEqual(await stream.others.at(1), SESSION_END_FRAME.subarray(4));
    await client[Symbol.asyncDispose]();
    const end = await session.closed;
    assert.deepEqual([end.by, end.code], ["local", code]);
    assert.deepEqual(received.items, ["before"]);
    await assertServes(fixture.address);
  });
}

Deno.test("QuicRuntime ends a session whose peer resets it in the middle of a frame", async () => {
  await using fixture = await startRuntime();
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.ask(client.connection, "node.open_session");
  const { session } = await sessionOf(fixture);
  stream.write(messageFrames("cut off").subarray(0, 9));
  client.connection.flush();
  stream.reset(7);
  const end = await session.closed;
  assert.deepEqual([end.by, end.code], ["network", "connection_lost"]);
  assert.deepEqual(await client.closed, { by: "peer", application: true, code: 0x01, reason: "" });
  await assertServes(fixture.address);
});

for (const how of ["a FIN alone", "STOP_SENDING"] as const) {
  Deno.test(`QuicRuntime ends a session whose peer breaks it off by ${how}`, async () => {
    await using fixture = await startRuntime();
    await using client = await DenoQuicClient.connect(fixture.address, await clientIdentity());
    const stream = await client.openStream();
    await stream.write(requestFrame("node.open_session"));
    assert.deepEqual(await stream.nextJson(), { protocol_version: 1, kind: "session", ok: true });
    const { session } = await sessionOf(fixture);
    await (how === "a FIN alone" ? stream.finish() : stream.stop());
    const end = await session.closed;
    assert.deepEqual([end.by, end.code], ["network", "connection_lost"]);
    assert.equal(await client.closed, "1 ");
    await assertServes(fixture.address);
  });
}

Deno.test("QuicRuntime reads nothing of a session before it has a handler, and bounds what waits for it", async () => {
  await using fixture = await startRuntime();
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.ask(client.connection, "node.open_session");
  await stream.answers.at(0);
  const big = encodeFrame(new Uint8Array(256 * 1024));
  for (let count = 0; count < 16; count++) stream.write(big);
  await assertHealthy(client);
  // The daemon's window is 1 MiB; what is left of the 4 MiB waits at the client.
  // deno-lint-ignore no-await-in-loop -- until the window is full
  while (client.connection.native.streamCapacity(0) > 0) await assertHealthy(client);
  assert.ok(client.connection.native.stats().sentBytes < 1.5 * 1024 * 1024);
  await assertServes(fixture.address);
});
