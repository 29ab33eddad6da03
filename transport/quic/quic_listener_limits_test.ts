import assert from "node:assert/strict";
import type { PalyraError } from "../../identity/palyra_error.ts";
import { testMaterial } from "../testing/test_material.ts";
import { dialFailure } from "./connection_failure.ts";
import { QuicListener } from "./quic_listener.ts";
import { quicLimits } from "./quic_transport_limits.ts";
import { DatagramPeer } from "./testing/datagram_peer.ts";
import { clientIdentity } from "./testing/identities.ts";
import { ManualClient } from "./testing/manual_client.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { Recorder } from "./testing/recorder.ts";
import { assertHealthy, assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import type { Host } from "./quiche_addon.ts";

/** How a client that is not let in without a handshake sees it. */
function refusedAtOnce(reason: string) {
  return { by: "peer", application: false, code: 0x02, reason } as const;
}

/** How a client that was refused after its handshake sees it. */
const TOO_MANY = { by: "peer", application: true, code: 0x04, reason: "connection_limit" } as const;

Deno.test("QuicListener refuses the second connection at a limit of one, and the first goes on", async () => {
  await using fixture = await startRuntime({ limits: { maxConnections: 1 } });
  const identity = await clientIdentity();
  const first = await RawQuicClient.connect(fixture.address, { identity });
  await assertHealthy(first);
  await using second = RawQuicClient.begin(fixture.address, { identity });
  const close = await second.closed;
  assert.deepEqual(close, refusedAtOnce("connection_limit"));
  assert.equal(dialFailure(close, second.connection.isEstablished).code, "connection_limit");
  assert.deepEqual(fixture.refusals.items.map(({ code, message }) => ({ code, message })), [{
    code: "connection_limit",
    message: "There are 1 QUIC connections; 1 are taken in all and 8 of one certificate.",
  }]);
  await assertHealthy(first);
  await first[Symbol.asyncDispose]();
  await assertServesAtLast(fixture.address);
});

Deno.test("QuicListener lets one of two in that come at once at a limit of one", async () => {
  await using fixture = await startRuntime({ limits: { maxConnections: 1 } });
  const identity = await clientIdentity();
  await using one = RawQuicClient.begin(fixture.address, { identity });
  await using other = RawQuicClient.begin(fixture.address, { identity });
  const close = await Promise.race([one.closed, other.closed]);
  assert.equal(close.reason, "connection_limit");
  assert.equal(close.by, "peer");
  await assertHealthy(one.connection.closed === undefined ? one : other);
  assert.equal(fixture.runtime.connectionCount, 1);
});

Deno.test("QuicListener refuses one connection more of the same certificate than one may have", async () => {
  await using fixture = await startRuntime({ limits: { maxConnectionsPerPeer: 2 } });
  const identity = await clientIdentity();
  await using first = await RawQuicClient.connect(fixture.address, { identity });
  await using second = await RawQuicClient.connect(fixture.address, { identity });
  await Promise.all([assertHealthy(first), assertHealthy(second)]);
  await using third = RawQuicClient.begin(fixture.address, { identity });
  const close = await third.closed;
  assert.deepEqual(close, TOO_MANY);
  assert.equal(dialFailure(close, third.connection.isEstablished).code, "connection_limit");
  assert.equal((await fixture.refusals.at(0)).code, "connection_limit");
  await Promise.all([assertHealthy(first), assertHealthy(second)]);
  await first[Symbol.asyncDispose]();
  await assertServesAtLast(fixture.address);
});

Deno.test("QuicListener takes 256 connections and refuses the 257th", async () => {
  await using fixture = await startRuntime({
    limits: { maxConnectionsPerPeer: 256, handshakeRate: { burst: 1_000, perSecond: 1_000 } },
  });
  const identity = await clientIdentity();
  const connect = async () => {
    const client = await RawQuicClient.connect(fixture.address, { identity });
    await assertHealthy(client);
    return client;
  };
  const clients = await Promise.all(Array.from({ length: 256 }, connect));
  await using oneMore = RawQuicClient.begin(fixture.address, { identity });
  assert.deepEqual(await oneMore.closed, refusedAtOnce("connection_limit"));
  assert.equal(fixture.runtime.connectionCount, 256);
  await Promise.all(clients.map(assertHealthy));
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  await assertServesAtLast(fixture.address);
});

Deno.test("QuicListener refuses handshakes that come faster than one source may begin them", async () => {
  await using fixture = await startRuntime({ limits: { handshakeRate: { burst: 2, perSecond: 10 } } });
  const identity = await clientIdentity();
  const clients = Array.from({ length: 3 }, () => RawQuicClient.begin(fixture.address, { identity }));
  const close = await Promise.race(clients.map(({ closed }) => closed));
  assert.deepEqual(close, refusedAtOnce("rate_limited"));
  assert.equal(dialFailure(close, false).code, "rate_limited");
  assert.deepEqual(fixture.refusals.items.map(({ code }) => code), ["rate_limited"]);
  const letIn = clients.filter(({ connection }) => connection.closed === undefined);
  assert.equal(letIn.length, 2);
  await Promise.all(letIn.map((client) => client.established));
  await Promise.all(letIn.map(assertHealthy));
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  await assertServesAtLast(fixture.address);
});

/** A client whose first flight the daemon has answered, and that says nothing more. */
async function silentClient(address: Host): Promise<{ readonly client: ManualClient; readonly peer: DatagramPeer }> {
  const client = new ManualClient(address, await clientIdentity());
  const peer = await DatagramPeer.open(address);
  const before = peer.answerCount;
  peer.send(client.produceOne());
  client.consume(await peer.answers.at(before));
  for (const datagram of client.produce()) peer.send(datagram);
  await peer.answers.at(before + 1);
  return { client, peer };
}

/** Gives the client what has come from the daemon, until that has closed the connection. */
async function closeSeenBy(client: ManualClient, peer: DatagramPeer): Promise<ManualClient["peerError"]> {
  // The first answer is none to the client, the second was its Retry.
  for (let index = 2; client.peerError === undefined; index++) {
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    client.consume(await peer.answers.at(index));
  }
  return client.peerError;
}

Deno.test("QuicListener gives up the handshake of a client that stays silent after its first packet, and says so", async () => {
  await using fixture = await startRuntime({ limits: { handshakeTimeoutMs: 100 } });
  const { client, peer } = await silentClient(fixture.address);
  await using _ = peer;
  assert.equal(fixture.runtime.counters.held, 1);
  assert.equal((await fixture.refusals.at(0)).code, "handshake_timeout");
  assert.deepEqual(await closeSeenBy(client, peer), { application: false, code: 0x02, reason: "handshake_timeout" });
  await assertServes(fixture.address);
});

Deno.test("QuicListener gives up a handshake of more bytes than one needs, and says so", async () => {
  await using fixture = await startRuntime({ limits: { maxHandshakeBytes: 12_000 } });
  const { client, peer } = await silentClient(fixture.address);
  await using _ = peer;
  // The answer told the client which connection id the daemon has; what follows it is noise.
  const id = client.daemonId;
  for (let count = 0; count < 12; count++) {
    peer.send(Uint8Array.of(0x40, ...id, ...crypto.getRandomValues(new Uint8Array(1_100))));
  }
  assert.equal((await fixture.refusals.at(0)).code, "message_too_large");
  assert.deepEqual(await closeSeenBy(client, peer), { application: false, code: 0x02, reason: "message_too_large" });
  await assertServes(fixture.address);
});

Deno.test("QuicListener lets a new handshake of this machine take the place of the oldest of 256 silent ones", async () => {
  await using fixture = await startRuntime({ limits: { handshakeRate: { burst: 1_000, perSecond: 1_000 } } });
  const silent: Awaited<ReturnType<typeof silentClient>>[] = [];
  for (let count = 0; count < 256; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other, so that it is known which is the oldest
    silent.push(await silentClient(fixture.address));
  }
  assert.equal(fixture.runtime.counters.held, 256);
  assert.deepEqual(fixture.refusals.items, []);
  await assertServes(fixture.address);
  assert.deepEqual(fixture.refusals.items.map(({ code }) => code), ["rate_limited"]);
  const [oldest] = silent;
  assert.ok(oldest !== undefined);
  const close = await closeSeenBy(oldest.client, oldest.peer);
  assert.deepEqual(close, { application: false, code: 0x02, reason: "rate_limited" });
  await Promise.all(silent.map(({ peer }) => peer[Symbol.asyncDispose]()));
});

Deno.test("QuicListener has 16 unfinished handshakes of one source elsewhere, and refuses the 17th at once", async () => {
  const { server } = await testMaterial();
  const refusals = new Recorder<PalyraError>();
  let source = { key: "192.0.2.1", local: false };
  const listener = QuicListener.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: server,
    limits: quicLimits(),
    resetKey: new Uint8Array(32),
    authorize: () => undefined,
    onStream: () => {},
    onRefused: (_remoteAddress, refusal) => refusals.add(refusal),
    sourceOf: () => source,
  });
  const address = { host: "127.0.0.1", port: listener.address.port };
  const silent = await Promise.all(Array.from({ length: 16 }, () => silentClient(address)));
  assert.equal(listener.heldCount, 16);
  await using refused = RawQuicClient.begin(address, { identity: await clientIdentity() });
  assert.deepEqual(await refused.closed, refusedAtOnce("rate_limited"));
  assert.deepEqual(refusals.items.map(({ code }) => code), ["rate_limited"]);
  assert.equal(listener.heldCount, 16);
  source = { key: "192.0.2.2", local: false };
  await using other = await RawQuicClient.connect(address, { identity: await clientIdentity() });
  assert.equal(other.connection.isEstablished, true);
  await Promise.all(silent.map(({ peer }) => peer[Symbol.asyncDispose]()));
  await listener.close(0);
});

/** Asserts that a lawful client is let in, perhaps not at once: the daemon hears of the end of others a little later. */
async function assertServesAtLast(address: Host): Promise<void> {
  const identity = await clientIdentity();
  for (;;) {
    await using client = RawQuicClient.begin(address, { identity });
    // deno-lint-ignore no-await-in-loop -- until it is let in
    if (!await client.established) continue;
    // deno-lint-ignore no-await-in-loop -- once
    return await assertHealthy(client);
  }
}
