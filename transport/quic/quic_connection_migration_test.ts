import assert from "node:assert/strict";
import { NodeEventRequest } from "../../proto/gen/node.ts";
import { testMaterial } from "../testing/test_material.ts";
import { QuicClient } from "./quic_client.ts";
import { QuicDialer } from "./quic_dialer.ts";
import type { QuicTransportLimits } from "./quic_transport_limits.ts";
import { AskedStream, requestFrame } from "./testing/asked_stream.ts";
import { DatagramPeer } from "./testing/datagram_peer.ts";
import { DenoQuicClient } from "./testing/deno_quic_client.ts";
import { clientIdentity } from "./testing/identities.ts";
import { keptEvents } from "./testing/kept_events.ts";
import { ManualClient } from "./testing/manual_client.ts";
import { ManualSession } from "./testing/manual_session.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { Recorder } from "./testing/recorder.ts";
import { assertHealthy, type RuntimeFixture, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpForwarder } from "./testing/udp_forwarder.ts";

/** Far more than quiche 0.18 knows addresses or connection ids of one peer. */
const CHANGES = 100;

/** For tests whose addresses change more often than addresses do. */
const OFTEN: Partial<QuicTransportLimits> = { connectionIdPauseMs: 5 };

/** Asks until the daemon believes that the client is where the forwarder is. */
async function proven(fixture: RuntimeFixture, forwarder: UdpForwarder, ask: () => Promise<unknown>): Promise<void> {
  const daemon = await fixture.sessions.at(0);
  // deno-lint-ignore no-await-in-loop -- the client has to say something each time
  do await ask(); while (daemon.remoteAddress !== forwarder.seenAddress);
}

Deno.test("QuicConnection goes on when its client's address changes, again and again, and its address follows", async () => {
  await using fixture = await startRuntime({ limits: OFTEN });
  await using forwarder = UdpForwarder.start(fixture.address);
  const { client } = await testMaterial();
  const { host, port } = forwarder.address;
  const dialer = new QuicDialer({ endpoint: { host, port }, material: () => client });
  const node = await dialer.dial(new AbortController().signal);
  const daemon = await fixture.sessions.at(0);
  const received = new Recorder<string>();
  daemon.onMessage = ({ eventName }) => received.add(eventName);
  node.onMessage = () => {};
  assert.equal(daemon.remoteAddress, forwarder.seenAddress);
  let sent = 0;
  const sendOne = async () => {
    node.send(NodeEventRequest.create({ v: 1, eventName: `message ${sent}` }));
    assert.equal(await received.at(sent), `message ${sent}`);
    sent++;
  };
  for (let count = 0; count < CHANGES; count++) {
    forwarder.rebind();
    // deno-lint-ignore no-await-in-loop -- one change after the other
    await proven(fixture, forwarder, sendOne);
  }
  assert.equal(received.items.length, sent);
  const { accepted, held } = fixture.runtime.counters;
  assert.deepEqual({ accepted, held }, { accepted: 1, held: 1 });
  node.close("shutting_down", "The test is over.");
  assert.equal((await daemon.closed).code, "shutting_down");
  await node.closed;
});

Deno.test("QuicConnection sends its events to the new address of a client that only acknowledges", async () => {
  await using fixture = await startRuntime();
  await using forwarder = UdpForwarder.start(fixture.address);
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(forwarder.address, { identity, limits: { keepAliveMs: 20 } });
  await assertHealthy(client);
  const before = AskedStream.ask(client.connection, "node.stream_events");
  await before.answers.first(5);
  forwarder.rebind();
  await assertHealthy(client);
  const after = AskedStream.ask(client.connection, "node.stream_events", 3);
  assert.equal((await after.answers.first(2)).length, 2);
  assert.equal(fixture.runtime.counters.accepted, 1);
});

Deno.test("QuicConnection sends all of a download whose receiver's address changes in the middle, several times", async () => {
  const newest = 4_000;
  const events = keptEvents({ newest, filling: "x".repeat(1_000) });
  await using fixture = await startRuntime({ events: events.read, limits: OFTEN });
  await using forwarder = UdpForwarder.start(fixture.address);
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(forwarder.address, { identity, limits: { keepAliveMs: 20 } });
  const download = AskedStream.ask(client.connection, "node.stream_events");
  for (let reached = 500; reached < newest; reached += 500) {
    // deno-lint-ignore no-await-in-loop -- one change after the other
    await download.answers.at(reached);
    forwarder.rebind();
  }
  const numbers = (await download.answers.first(newest)).map((answer) => answer.kind === "event" ? answer.sequence : 0);
  assert.deepEqual(numbers, Array.from({ length: newest }, (_, index) => index + 1));
  assert.equal(fixture.runtime.counters.accepted, 1);
});

Deno.test("QuicConnection goes on when its client's address changes again before the first change is proven", async () => {
  await using fixture = await startRuntime();
  await using forwarder = UdpForwarder.start(fixture.address);
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(forwarder.address, { identity, limits: { keepAliveMs: 20 } });
  AskedStream.ask(client.connection, "node.open_session");
  await fixture.sessions.at(0);
  forwarder.deafen();
  for (let count = 0; count < 3; count++) {
    const seen = fixture.runtime.counters.datagramsReceived;
    forwarder.rebind();
    client.connection.native.sendAckEliciting();
    client.connection.flush();
    // deno-lint-ignore no-await-in-loop -- until the daemon has heard it from there
    while (fixture.runtime.counters.datagramsReceived === seen) await new Promise((resolve) => setImmediate(resolve));
  }
  forwarder.open();
  await proven(fixture, forwarder, () => assertHealthy(client));
  assert.equal(fixture.runtime.counters.accepted, 1);
});

Deno.test("QuicConnection follows a client of another make (quinn), again and again", async () => {
  await using fixture = await startRuntime({ limits: OFTEN });
  await using forwarder = UdpForwarder.start(fixture.address);
  await using client = await DenoQuicClient.connect(forwarder.address, await clientIdentity());
  const session = await client.openStream();
  await session.write(requestFrame("node.open_session"));
  await session.nextJson();
  for (let count = 0; count < 20; count++) {
    forwarder.rebind();
    // deno-lint-ignore no-await-in-loop -- one change after the other
    await proven(fixture, forwarder, async () => {
      const health = await client.openStream();
      await health.write(requestFrame("node.health"));
      await health.nextJson();
      await health.finish();
    });
  }
  assert.equal(fixture.runtime.counters.accepted, 1);
});

for (const changes of [1, 3]) {
  Deno.test(`QuicListener tells a client of an earlier process that it is over, after ${changes} address changes too`, async () => {
    const resetKey = crypto.getRandomValues(new Uint8Array(32));
    const earlier = await startRuntime({ resetKey, limits: OFTEN });
    await using later = await startRuntime({ resetKey });
    await using forwarder = UdpForwarder.start(earlier.address);
    const client = await QuicClient.connect(
      { address: forwarder.address, material: (await testMaterial()).client, limits: { keepAliveMs: 20 } },
      new AbortController().signal,
    );
    AskedStream.ask(client.connection, "node.open_session");
    for (let count = 0; count < changes; count++) {
      forwarder.rebind();
      // deno-lint-ignore no-await-in-loop -- one change after the other
      await proven(earlier, forwarder, () => assertHealthy(client));
    }
    forwarder.turnTo(later.address);
    const { by, reason } = await client.closed;
    assert.deepEqual({ by, reason }, {
      by: "network",
      reason: "the other side does not know this connection any more",
    });
    await earlier.runtime.close({ graceMs: 0 });
  });
}

Deno.test("QuicListener tells a client of another make (quinn) so, after an address change too", async () => {
  const resetKey = crypto.getRandomValues(new Uint8Array(32));
  const earlier = await startRuntime({ resetKey });
  await using later = await startRuntime({ resetKey });
  await using forwarder = UdpForwarder.start(earlier.address);
  const client = await DenoQuicClient.connect(forwarder.address, await clientIdentity());
  const session = await client.openStream();
  await session.write(requestFrame("node.open_session"));
  await session.nextJson();
  forwarder.rebind();
  const ask = async () => {
    const health = await client.openStream();
    await health.write(requestFrame("node.health"));
    await health.nextJson();
  };
  await proven(earlier, forwarder, ask);
  forwarder.turnTo(later.address);
  await assert.rejects(ask());
  assert.equal(await client.closed, "reset by peer");
  await client[Symbol.asyncDispose]();
  await earlier.runtime.close({ graceMs: 0 });
});

Deno.test("QuicListener never resets a connection for its first id, however often its peer has taken others since", async () => {
  await using fixture = await startRuntime({ limits: OFTEN });
  await using session = await ManualSession.open(fixture);
  await using peers = new AsyncDisposableStack();
  const { daemonId } = session.client;
  for (let count = 0; count < 8; count++) {
    // deno-lint-ignore no-await-in-loop -- one address after the other
    const next = peers.use(await DatagramPeer.open(fixture.address));
    const left = session.daemon.remoteAddress;
    while (session.daemon.remoteAddress === left) {
      session.client.elicit();
      // deno-lint-ignore no-await-in-loop -- one flight after the other
      await session.exchange(next);
    }
  }
  assert.notDeepEqual(session.client.daemonId, daemonId);
  const stray = new Uint8Array(100).fill(0x40);
  session.home.send(stray);
  assert.equal((await session.home.settle()).length, 1, "an id that nobody knows is answered");
  stray.set(daemonId, 1);
  session.home.send(stray);
  assert.deepEqual(await session.home.settle(), []);
  assert.equal(fixture.runtime.connectionCount, 1);
});

Deno.test("QuicConnection answers its handshake where it began, and follows a client that has moved by its end", async () => {
  await using fixture = await startRuntime();
  await using home = await DatagramPeer.open(fixture.address);
  await using elsewhere = await DatagramPeer.open(fixture.address);
  const client = new ManualClient(fixture.address, await clientIdentity());
  home.send(client.produceOne());
  for (const retry of await home.settle()) client.consume(retry);
  home.send(client.produceOne());
  const coming = [...await home.settle()];
  let answeredElsewhere = 0;
  while (!client.isEstablished) {
    client.consume(coming.shift() ?? assert.fail("the handshake goes on at home"));
    if (client.isEstablished) break;
    for (const datagram of client.produce()) elsewhere.send(datagram);
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    answeredElsewhere += (await elsewhere.settle()).length;
    // deno-lint-ignore no-await-in-loop -- one datagram after the other
    coming.push(...await home.settle());
  }
  assert.equal(answeredElsewhere, 0);
  assert.equal(fixture.runtime.connectionCount, 0);
  for (const datagram of client.produce()) elsewhere.send(datagram);
  assert.notDeepEqual(await elsewhere.settle(), []);
  assert.equal(fixture.runtime.connectionCount, 1);
});
