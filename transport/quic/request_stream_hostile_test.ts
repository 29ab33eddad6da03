import assert from "node:assert/strict";
import { encodeFrame } from "./frame_writer.ts";
import { APPLICATION_CODE } from "./quic_code.ts";
import { AskedStream, requestFrame } from "./testing/asked_stream.ts";
import { DenoQuicClient } from "./testing/deno_quic_client.ts";
import { clientIdentity } from "./testing/identities.ts";
import { keptEvents } from "./testing/kept_events.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import { servedTest } from "./testing/served_test.ts";

const HEALTH = requestFrame("node.health");
const HEALTHY = { kind: "health", nodeRpcMtlsRequired: true };

/** Far more streams than a peer may have open at once. */
const MANY = 100;

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(pieces.flatMap((piece) => [...piece]));
}

/** A frame's header that announces `bytes` bytes of payload. */
function announcing(bytes: number): Uint8Array {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, bytes);
  return header;
}

servedTest("RequestStream takes a request that comes byte by byte", {}, async (connection) => {
  const stream = AskedStream.open(connection);
  for (const byte of HEALTH) {
    stream.write(Uint8Array.of(byte));
    connection.flush();
    // deno-lint-ignore no-await-in-loop -- each byte in a datagram of its own
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual(await stream.ended, { kind: "finished" });
  assert.deepEqual(stream.answers.items, [HEALTHY]);
});

for (const bytes of [512 * 1024 + 1, 0x7fff_ffff, 0xffff_ffff]) {
  servedTest(
    `RequestStream answers stream_failure to a frame that announces ${bytes} bytes`,
    {},
    async (connection, { runtime }) => {
      const stream = AskedStream.open(connection);
      stream.write(announcing(bytes));
      assert.deepEqual(await stream.ended, { kind: "finished" });
      assert.deepEqual(stream.answers.items, [{
        kind: "error",
        error: "stream_failure",
        message: "A frame announces more than 524288 bytes. Send less at once, in several frames.",
      }]);
      assert.deepEqual([...runtime.counters.refused], [["invalid_argument", 1]]);
    },
  );
}

servedTest("RequestStream takes a request as long as a frame may be", {}, async (connection) => {
  const stream = AskedStream.open(connection);
  const padded = new Uint8Array(512 * 1024).fill(0x20);
  padded.set(HEALTH.subarray(4));
  stream.write(encodeFrame(padded));
  assert.deepEqual(await stream.ended, { kind: "finished" });
  assert.deepEqual(stream.answers.items, [HEALTHY]);
});

for (
  const [what, bytes] of [["only a part of a request", HEALTH.subarray(0, 20)], [
    "two bytes",
    HEALTH.subarray(0, 2),
  ]] as const
) {
  servedTest(`RequestStream answers stream_failure when the stream ends after ${what}`, {}, async (connection) => {
    const stream = AskedStream.open(connection);
    stream.write(bytes, { fin: true });
    assert.deepEqual(await stream.ended, { kind: "finished" });
    assert.deepEqual(stream.answers.items, [
      { kind: "error", error: "stream_failure", message: "The stream ended before its request was whole." },
    ]);
  });
}

const HURRIED = { limits: { requestTimeoutMs: 100 } };

for (
  const [what, bytes] of [["nothing more after its first byte", Uint8Array.of(0)], [
    "less than it announces",
    HEALTH.subarray(0, 20),
  ]] as const
) {
  servedTest(`RequestStream resets a stream on which comes ${what}`, HURRIED, async (connection, { runtime }) => {
    const stream = AskedStream.open(connection);
    stream.write(bytes);
    assert.deepEqual(await stream.ended, { kind: "reset", code: APPLICATION_CODE.requestTimeout });
    assert.deepEqual([...runtime.counters.refused], [["deadline_exceeded", 1]]);
  });
}

servedTest(
  "RequestStream leaves an answered stream alone when the time for requests is over",
  HURRIED,
  async (connection, { runtime }) => {
    const late = AskedStream.open(connection);
    const events = AskedStream.ask(connection, "node.stream_events");
    await events.answers.first(5);
    late.write(Uint8Array.of(0));
    // Begun later, so over later.
    assert.equal((await late.ended).kind, "reset");
    assert.deepEqual([...runtime.counters.refused], [["deadline_exceeded", 1]]);
    events.reset(0);
  },
);

const SECOND = [
  ["node.health", "node.health"],
  ["node.health", "node.stream_events"],
  ["node.health", "node.open_session"],
] as const;

for (const [first, second] of SECOND) {
  const events = keptEvents();
  servedTest(
    `RequestStream takes no ${second} after a ${first} on the same stream`,
    { events: events.read },
    async (connection, fixture) => {
      for (const fin of [false, true]) {
        const stream = AskedStream.open(connection);
        stream.write(joined(requestFrame(first), requestFrame(second)), { fin });
        // deno-lint-ignore no-await-in-loop -- one after the other
        assert.deepEqual(await stream.ended, { kind: "finished" });
        assert.deepEqual(stream.answers.items, [HEALTHY]);
      }
      assert.equal(events.readers, 0);
      assert.deepEqual(fixture.sessions.items, []);
      assert.deepEqual([...fixture.runtime.counters.refused], []);
    },
  );
}

for (const together of [true, false]) {
  const events = keptEvents();
  const when = together ? "together with" : "after";
  servedTest(`RequestStream ends a stream of events with invalid_request when a request comes ${when} the first`, {
    events: events.read,
  }, async (connection) => {
    const stream = AskedStream.open(connection);
    const ask = requestFrame("node.stream_events");
    if (together) stream.write(joined(ask, HEALTH));
    else {
      stream.write(ask);
      await stream.answers.first(5);
      stream.write(HEALTH);
    }
    assert.deepEqual(await stream.ended, { kind: "finished" });
    assert.deepEqual(stream.answers.items.at(-1), {
      kind: "error",
      error: "invalid_request",
      message: "A stream carries one request. Open another for the next.",
    });
    assert.equal(events.readers, 0);
  });
}

for (const how of ["resets", "stops reading"] as const) {
  const events = keptEvents();
  servedTest(`RequestStream stops reading events, and frees the stream, for a peer that ${how}`, {
    events: events.read,
  }, async (connection) => {
    for (let count = 0; count < MANY; count++) {
      const stream = AskedStream.askOnly(connection, "node.stream_events");
      // deno-lint-ignore no-await-in-loop -- more than may be open at once
      await stream.answers.first(5);
      if (how === "resets") stream.reset(7);
      else stream.stopReading(7);
      // deno-lint-ignore no-await-in-loop -- more than may be open at once
      await events.stopped.at(count);
    }
    assert.equal(events.readers, 0);
  });
}

servedTest(
  "RequestStream frees the streams of a peer that gives up in the middle of a frame",
  {},
  async (connection, { runtime }) => {
    for (let count = 0; count < MANY; count++) {
      const stream = AskedStream.open(connection);
      stream.write(HEALTH.subarray(0, 20));
      connection.flush();
      stream.reset(7);
      // A health call later the daemon has seen it.
      const health = AskedStream.ask(connection, "node.health");
      // deno-lint-ignore no-await-in-loop -- more than may be open at once
      assert.deepEqual(await health.ended, { kind: "finished" });
    }
    assert.deepEqual([...runtime.counters.refused], []);
  },
);

Deno.test("RequestStream takes no more events than fit on their way for a peer that never reads", async () => {
  // 64 MiB in all.
  const events = keptEvents({ newest: 4_096, filling: "x".repeat(16 * 1024) });
  await using fixture = await startRuntime({ events: events.read });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.openUnread(client.connection);
  stream.write(requestFrame("node.stream_events"));
  // When the window of the stream is full, another stream of the connection is still served.
  // deno-lint-ignore no-await-in-loop -- until the window is full
  while (client.connection.native.stats().recvBytes < 1024 * 1024) await assertHealthy(client);
  await assertHealthy(client);
  // 1 MiB in the window, 256 KiB waiting, and one on top.
  assert.ok(events.taken <= 82, `${events.taken} events of 16 KiB were taken`);
  stream.read();
  await stream.answers.first(4_096);
  stream.reset(0);
  assert.equal(await events.stopped.at(0), 4_096);
  await assertServes(fixture.address);
});

/** Registers a test with Deno's own QUIC client, after which the same connection and a new one must be served. */
function denoTest(name: string, body: (client: DenoQuicClient) => Promise<void>): void {
  Deno.test(name, async () => {
    await using fixture = await startRuntime();
    await using client = await DenoQuicClient.connect(fixture.address, await clientIdentity());
    await body(client);
    await assertAnswered(client);
    await assertServes(fixture.address);
  });
}

async function assertAnswered(client: DenoQuicClient): Promise<void> {
  const stream = await client.openStream();
  await stream.write(HEALTH);
  assert.deepEqual(await stream.nextJson(), {
    protocol_version: 1,
    kind: "health",
    ok: true,
    node_rpc_mtls_required: true,
  });
  assert.equal(await stream.nextJson(), undefined);
  await stream.finish();
}

denoTest("RequestStream frees the streams of a peer that ends its side long after it was answered", async (client) => {
  // quiche would keep a stream whose reading was stopped before, and after 32 of them the peer could open no more.
  for (let count = 0; count < MANY; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const stream = await client.openStream();
    // deno-lint-ignore no-await-in-loop -- one after the other
    await stream.write(HEALTH);
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.notEqual(await stream.nextJson(), undefined);
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal(await stream.nextJson(), undefined);
    // The daemon has heard by then that its answer was received.
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assertAnswered(client);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await (count % 2 === 0 ? stream.finish() : stream.reset());
  }
});

denoTest("RequestStream stops a peer that goes on sending after it was answered", async (client) => {
  const stream = await client.openStream();
  await stream.write(HEALTH);
  await stream.nextJson();
  const sendForEver = async () => {
    // deno-lint-ignore no-await-in-loop -- as fast as it is taken
    for (;;) await stream.write(new Uint8Array(64 * 1024));
  };
  await assert.rejects(sendForEver(), {
    message: `sending stopped by peer: error ${APPLICATION_CODE.done}`,
  });
});

denoTest("RequestStream answers stream_failure to a FIN alone", async (client) => {
  const stream = await client.openStream();
  await stream.finish();
  assert.deepEqual(await stream.nextJson(), {
    protocol_version: 1,
    kind: "error",
    ok: false,
    error: "stream_failure",
    message: "The stream ended before its request was whole.",
  });
  assert.equal(await stream.nextJson(), undefined);
});

denoTest("RequestStream goes on giving events after a FIN alone", async (client) => {
  const stream = await client.openStream();
  await stream.write(requestFrame("node.stream_events", 4));
  await stream.finish();
  const { seq } = await stream.nextJson() as { seq: number };
  assert.equal(seq, 5);
  await stream.stop();
});

denoTest("QuicRuntime stops what comes on streams for one direction, with streamNotServed", async (client) => {
  const opened = [];
  for (let count = 0; count < 32; count++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const stream = await client.openOneWay();
    opened.push(stream);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await stream.write(HEALTH);
  }
  await assert.rejects(client.openOneWay(), /maximum number of concurrent outgoing unidirectional streams/);
  await assertAnswered(client);
  for (const stream of opened) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(stream.write(HEALTH), { message: "sending stopped by peer: error 16" });
  }
});
