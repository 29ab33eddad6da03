import assert from "node:assert/strict";
import { AskedStream } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpForwarder } from "./testing/udp_forwarder.ts";

const IDLE_MS = 250;
const SILENT_MS = 60_000;

const IDLE = { by: "peer", application: true, code: 0x03, reason: "idle_timeout" } as const;
const LOST = { by: "network", application: false, code: 0x00, reason: "idle_timeout" } as const;

Deno.test("QuicConnection closes a connection without a stream as idle, however often its client says that it lives", async () => {
  await using fixture = await startRuntime({ limits: { idleTimeoutMs: IDLE_MS } });
  const identity = await clientIdentity();
  await using never = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 20 } });
  await using once = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 20 } });
  await assertHealthy(once);
  assert.deepEqual(await never.closed, IDLE);
  assert.deepEqual(await once.closed, IDLE);
  assert.equal(fixture.runtime.connectionCount, 0);
  await assertServes(fixture.address);
});

Deno.test("QuicConnection keeps a quiet connection with a stream for as long as its client says that it lives", async () => {
  await using fixture = await startRuntime({ limits: { idleTimeoutMs: IDLE_MS } });
  const identity = await clientIdentity();
  await using quiet = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 40 } });
  const events = AskedStream.ask(quiet.connection, "node.stream_events");
  await events.answers.first(5);
  // Each of these lives as long as silence may last.
  for (let count = 0; count < 3; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await using other = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 40 } });
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.deepEqual(await other.closed, IDLE);
  }
  assert.equal(quiet.connection.closed, undefined);
  await assertHealthy(quiet);
});

Deno.test("QuicConnection takes silence for the end of the connection, on both sides", async () => {
  await using fixture = await startRuntime({ limits: { idleTimeoutMs: IDLE_MS } });
  await using forwarder = UdpForwarder.start(fixture.address);
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(forwarder.address, { identity, limits: { keepAliveMs: 20 } });
  AskedStream.ask(client.connection, "node.open_session");
  const session = await fixture.sessions.at(0);
  forwarder.block();
  assert.deepEqual(await client.closed, LOST);
  const { by, code } = await session.closed;
  assert.deepEqual({ by, code }, { by: "network", code: "connection_lost" });
  assert.equal(fixture.runtime.connectionCount, 0);
  assert.deepEqual(fixture.refusals.items, []);
  await assertServes(fixture.address);
});

Deno.test("QuicConnection ends with a client that vanishes without a word", async () => {
  await using fixture = await startRuntime({ limits: { idleTimeoutMs: IDLE_MS } });
  const identity = await clientIdentity();
  const client = await RawQuicClient.connect(fixture.address, { identity });
  AskedStream.ask(client.connection, "node.open_session");
  const session = await fixture.sessions.at(0);
  await client.vanish();
  assert.equal((await session.closed).code, "connection_lost");
  assert.equal(fixture.runtime.connectionCount, 0);
  await assertServes(fixture.address);
});

Deno.test("QuicConnection ends when its client never says that it lives, though it has a stream", async () => {
  await using fixture = await startRuntime({ limits: { idleTimeoutMs: IDLE_MS } });
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: SILENT_MS } });
  const events = AskedStream.ask(client.connection, "node.stream_events");
  await events.answers.first(5);
  assert.deepEqual(await client.closed, LOST);
  assert.deepEqual(await events.ended, { kind: "connection" });
  await assertServes(fixture.address);
});

Deno.test("QuicConnection gives up a daemon that never answers, when its time for the handshake is over", async () => {
  await using fixture = await startRuntime();
  await using forwarder = UdpForwarder.start(fixture.address);
  forwarder.block();
  const identity = await clientIdentity();
  await using client = RawQuicClient.begin(forwarder.address, { identity, limits: { handshakeTimeoutMs: 100 } });
  assert.deepEqual(await client.closed, {
    by: "local",
    application: false,
    code: 0x02,
    reason: "handshake_timeout",
  });
});
