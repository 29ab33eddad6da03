import assert from "node:assert/strict";
import { testMaterial } from "../testing/test_material.ts";
import { AskedStream, requestFrame } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, startRuntime } from "./testing/runtime_fixture.ts";
import { servedTest } from "./testing/served_test.ts";

const STREAMS = 32;

servedTest(
  "QuicConnection refuses the 33rd stream at once with stream_limit, until another is over",
  {},
  async (connection) => {
    const open = Array.from({ length: STREAMS }, () => AskedStream.openUnread(connection));
    assert.throws(() => AskedStream.open(connection), {
      name: "PalyraError",
      code: "stream_limit",
      message: "The other side allows no more streams at once on this connection. Wait until one is over.",
    });
    for (const [index, stream] of open.entries()) {
      stream.read();
      stream.write(requestFrame("node.health"));
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.deepEqual(await stream.ended, { kind: "finished" });
      assert.equal(connection.streamCount, STREAMS - 1 - index);
    }
  },
);

servedTest("QuicConnection opens as many streams one after the other as anybody likes", {}, async (connection) => {
  const asking = async (count: number) => {
    for (let index = 0; index < count; index++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.deepEqual(await AskedStream.ask(connection, "node.health").ended, { kind: "finished" });
    }
  };
  await asking(100);
  await Promise.all(Array.from({ length: 8 }, () => asking(50)));
  assert.equal(connection.streamCount, 0);
});

servedTest("QuicConnection opens streams again after it was refused one, all at once", {}, async (connection) => {
  for (let round = 0; round < 5; round++) {
    const streams = Array.from({ length: STREAMS }, () => AskedStream.ask(connection, "node.health"));
    assert.throws(() => AskedStream.open(connection), { code: "stream_limit" });
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await Promise.all(streams.map(({ ended }) => ended));
    // What the last answers have freed is told with the next packet.
    // deno-lint-ignore no-await-in-loop -- one round after the other
    while (connection.native.peerStreamsLeftBidi() < STREAMS) await askWhenFree(connection);
  }
});

async function askWhenFree(connection: RawQuicClient["connection"]): Promise<void> {
  if (connection.native.peerStreamsLeftBidi() > 0) await AskedStream.ask(connection, "node.health").ended;
  else await turn();
}

/** One turn of the event loop, in which packets come. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

servedTest("QuicConnection serves a stream at once beside 31 silent ones", {}, async (connection) => {
  const silent = Array.from({ length: STREAMS - 1 }, () => {
    const stream = AskedStream.open(connection);
    stream.write(Uint8Array.of(0));
    return stream;
  });
  assert.deepEqual(await AskedStream.ask(connection, "node.health").ended, { kind: "finished" });
  for (const stream of silent) stream.reset(0);
  // deno-lint-ignore no-await-in-loop -- until the daemon has heard of it
  while (connection.native.peerStreamsLeftBidi() === 0) await turn();
});

Deno.test("QuicConnection serves one peer at once while another has 32 silent streams and a third never reads", async () => {
  await using fixture = await startRuntime();
  const identity = await clientIdentity();
  await using silent = await RawQuicClient.connect(fixture.address, { identity });
  await using deaf = await RawQuicClient.connect(fixture.address, { identity });
  for (let count = 0; count < STREAMS; count++) {
    AskedStream.open(silent.connection).write(Uint8Array.of(0));
    AskedStream.openUnread(deaf.connection).write(requestFrame("node.stream_events"));
  }
  await using lawful = await RawQuicClient.connect(fixture.address, { identity });
  await assertHealthy(lawful);
});

Deno.test("QuicConnection knows its peer's certificate and address, and when it is over", async () => {
  const { serverFingerprint } = await testMaterial();
  await using fixture = await startRuntime();
  await using client = RawQuicClient.begin(fixture.address, { identity: await clientIdentity() });
  const { connection } = client;
  assert.deepEqual({ peer: connection.peer, isEstablished: connection.isEstablished }, {
    peer: undefined,
    isEstablished: false,
  });
  assert.throws(() => connection.openStream(), { code: "connection_lost" });
  await client.established;
  assert.equal(connection.peer?.fingerprint, serverFingerprint);
  assert.equal(connection.remoteAddress, `127.0.0.1:${fixture.address.port}`);
  const stream = AskedStream.ask(connection, "node.stream_events");
  await stream.answers.first(5);
  connection.close({ application: true, code: 0, reason: "first" });
  connection.close({ application: false, code: 1, reason: "second" });
  assert.deepEqual(await client.closed, { by: "local", application: true, code: 0, reason: "first" });
  assert.deepEqual(await stream.ended, { kind: "connection" });
  assert.equal(connection.streamCount, 0);
  assert.throws(() => connection.openStream(), { code: "connection_lost" });
  // Writing on what is over does nothing.
  stream.write(requestFrame("node.health"));
  stream.reset(0);
});

Deno.test("QuicStream throws when its end would leave alone", async () => {
  await using fixture = await startRuntime();
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.open(client.connection);
  assert.throws(() => stream.write(new Uint8Array(), { fin: true }), TypeError);
  stream.write(requestFrame("node.health"), { fin: true });
  assert.deepEqual(await stream.ended, { kind: "finished" });
});
