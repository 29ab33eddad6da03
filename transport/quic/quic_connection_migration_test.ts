import assert from "node:assert/strict";
import { NodeEventRequest } from "../../proto/gen/node.ts";
import { testMaterial } from "../testing/test_material.ts";
import { QuicDialer } from "./quic_dialer.ts";
import { AskedStream } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { Recorder } from "./testing/recorder.ts";
import { assertHealthy, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpForwarder } from "./testing/udp_forwarder.ts";

/** As often as it may: each connection begins with one of 32 addresses. */
const CHANGES = 31;

Deno.test("QuicConnection goes on when its client's address changes, again and again, and its address follows", async () => {
  await using fixture = await startRuntime();
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
  const addresses = new Set([daemon.remoteAddress]);
  let sent = 0;
  const sendOne = async () => {
    node.send(NodeEventRequest.create({ v: 1, eventName: `message ${sent}` }));
    assert.equal(await received.at(sent), `message ${sent}`);
    sent++;
  };
  for (let count = 0; count < CHANGES; count++) {
    // The system may give a port a second time.
    do forwarder.rebind(); while (addresses.has(forwarder.seenAddress));
    // deno-lint-ignore no-await-in-loop -- one change after the other
    await sendOne();
    // The new address is believed when the client has answered from it.
    // deno-lint-ignore no-await-in-loop -- one change after the other
    while (daemon.remoteAddress !== forwarder.seenAddress) await sendOne();
    addresses.add(daemon.remoteAddress);
  }
  assert.equal(addresses.size, CHANGES + 1);
  assert.equal(received.items.length, sent);
  assert.equal(fixture.runtime.counters.accepted, 1);
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
