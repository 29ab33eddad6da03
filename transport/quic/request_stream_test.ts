import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { encodeFrame } from "./frame_writer.ts";
import type { QuicConnection } from "./quic_connection.ts";
import type { ResponseEnvelope } from "./response_envelope.ts";
import { AskedStream, jsonFrame, requestFrame } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { keptEvents } from "./testing/kept_events.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, startRuntime } from "./testing/runtime_fixture.ts";
import { servedTest } from "./testing/served_test.ts";

/** What is answered to one frame, until the daemon ends the stream. */
async function answersTo(connection: QuicConnection, frame: Uint8Array): Promise<readonly ResponseEnvelope[]> {
  const stream = AskedStream.open(connection);
  stream.write(frame);
  assert.deepEqual(await stream.ended, { kind: "finished" });
  return stream.answers.items;
}

function sequences(answers: readonly ResponseEnvelope[]): number[] {
  return answers.map((answer) => answer.kind === "event" ? answer.sequence : NaN);
}

servedTest(
  "RequestStream answers node.health once, with and without a FIN on the request",
  {},
  async (connection, fixture) => {
    for (const fin of [false, true]) {
      const stream = AskedStream.open(connection);
      stream.write(requestFrame("node.health"), { fin });
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.deepEqual(await stream.ended, { kind: "finished" });
      assert.deepEqual(stream.answers.items, [{ kind: "health", nodeRpcMtlsRequired: true }]);
    }
    assert.deepEqual([...fixture.runtime.counters.refused], []);
  },
);

Deno.test("RequestStream says in node.health what the daemon says", async () => {
  await using fixture = await startRuntime({ health: () => ({ nodeRpcMtlsRequired: false }) });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const answers = await answersTo(client.connection, requestFrame("node.health"));
  assert.deepEqual(answers, [{ kind: "health", nodeRpcMtlsRequired: false }]);
});

const log = keptEvents({ oldest: 1, newest: 5 });

for (
  const [resumeFrom, expected] of [[undefined, [1, 2, 3, 4, 5]], [0, [1, 2, 3, 4, 5]], [2, [3, 4, 5]], [4, [
    5,
  ]]] as const
) {
  servedTest(`RequestStream gives the events after number ${resumeFrom}`, { events: log.read }, async (connection) => {
    const stream = AskedStream.ask(connection, "node.stream_events", resumeFrom);
    const answers = await stream.answers.first(expected.length);
    assert.deepEqual(sequences(answers), expected);
    const [first] = answers;
    assert.deepEqual(first, {
      kind: "event",
      sequence: expected[0],
      name: "test.event",
      payload: { filling: "" },
      at: 1_700_000_000_000 + expected[0],
    });
    stream.reset(0);
  });
}

Deno.test("RequestStream goes on on a new connection where an old one was cut", async () => {
  const events = keptEvents({ newest: 5 });
  await using fixture = await startRuntime({ events: events.read });
  const cut = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const before = AskedStream.ask(cut.connection, "node.stream_events");
  assert.deepEqual(sequences(await before.answers.first(2)), [1, 2]);
  await cut[Symbol.asyncDispose]();
  assert.equal((await before.ended).kind, "connection");
  await events.stopped.at(0);

  await using next = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const after = AskedStream.ask(next.connection, "node.stream_events", 2);
  assert.deepEqual(sequences(await after.answers.first(3)), [3, 4, 5]);
});

servedTest(
  "RequestStream answers event_gap, with the oldest event there is, to who wants older ones",
  { events: keptEvents({ oldest: 4, newest: 5 }).read },
  async (connection) => {
    assert.deepEqual(await answersTo(connection, requestFrame("node.stream_events", 2)), [{
      kind: "error",
      error: "event_gap",
      message:
        "The device's events before number 4 are no longer kept. Look at how it stands now, then read on after " +
        "number 3.",
      oldestSequence: 4,
    }]);
    const stream = AskedStream.ask(connection, "node.stream_events", 3);
    assert.deepEqual(sequences(await stream.answers.first(2)), [4, 5]);
    stream.reset(0);
  },
);

const REFUSED = [
  [
    "another version",
    jsonFrame({ protocol_version: 2, method: "node.health" }),
    "protocol_mismatch",
    "protocol_mismatch",
  ],
  ["an unknown method", jsonFrame({ protocol_version: 1, method: "node.reboot" }), "unsupported_method", "unsupported"],
  [
    "an unknown field",
    jsonFrame({ protocol_version: 1, method: "node.health", device_id: "x" }),
    "invalid_request",
    "invalid_argument",
  ],
  ["a missing field", jsonFrame({ method: "node.health" }), "invalid_request", "invalid_argument"],
  ["what is not JSON", encodeFrame(Uint8Array.of(0xff, 0xfe)), "invalid_request", "invalid_argument"],
  ["an empty frame", encodeFrame(new Uint8Array()), "invalid_request", "invalid_argument"],
] as const;

for (const [what, frame, error, counted] of REFUSED) {
  servedTest(`RequestStream answers ${error} to ${what}, and ends the stream`, {}, async (connection, { runtime }) => {
    const [answer, ...more] = await answersTo(connection, frame);
    assert.ok(answer?.kind === "error");
    assert.equal(answer.error, error);
    assert.deepEqual(more, []);
    assert.deepEqual([...runtime.counters.refused], [[counted, 1]]);
  });
}

Deno.test("RequestStream refuses a request of a device that was let in and has been revoked since", async () => {
  let refusal: PalyraError | undefined;
  await using fixture = await startRuntime({ authorize: () => refusal });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  await assertHealthy(client);
  for (const method of ["node.health", "node.stream_events", "node.open_session"] as const) {
    refusal = new PalyraError("device_revoked", "The device was revoked. Ask its operator.");
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.deepEqual(await answersTo(client.connection, requestFrame(method)), [{
      kind: "error",
      error: "device_revoked",
      message: "The device was revoked. Ask its operator.",
    }]);
  }
  assert.deepEqual(fixture.sessions.items, []);
  assert.deepEqual([...fixture.runtime.counters.refused], [["device_revoked", 3]]);
});

Deno.test("RequestStream ends a stream of events at the first one after the device has lost its right to them", async () => {
  const registry: { refusal?: PalyraError } = {};
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const events = keptEvents({ newest: 2 });
  await using fixture = await startRuntime({
    authorize: () => registry.refusal,
    async *events(peer, after, signal) {
      for await (const event of events.read(peer, after, signal)) {
        yield event;
        first.resolve();
        await second.promise;
      }
    },
  });
  await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.ask(client.connection, "node.stream_events");
  await Promise.all([stream.answers.at(0), first.promise]);
  registry.refusal = new PalyraError("device_unknown", "The daemon does not know this device.");
  second.resolve();
  assert.deepEqual(await stream.ended, { kind: "finished" });
  assert.deepEqual(stream.answers.items.slice(1), [
    { kind: "error", error: "device_unknown", message: "The daemon does not know this device." },
  ]);
  assert.equal(events.readers, 0);
});

const PRIVATE = "Something failed on the other side that should not; its log has the cause.";

for (const part of ["authorize", "health", "events", "onSession"] as const) {
  Deno.test(`RequestStream answers internal, and nothing private, when the daemon's ${part} fails`, async () => {
    let failing = true;
    const fail = (): undefined => {
      if (failing) throw new Error("/var/lib/palyra/state.sqlite: disk I/O error");
      return undefined;
    };
    let handshakes = 0;
    await using fixture = await startRuntime({
      // The first time is after the handshake.
      ...(part === "authorize" && { authorize: () => handshakes++ > 0 ? fail() : undefined }),
      ...(part === "health" && { health: () => (fail(), { nodeRpcMtlsRequired: true }) }),
      ...(part === "events" && { events: () => (fail(), (async function* () {})()) }),
      ...(part === "onSession" && { onSession: fail }),
    });
    await using client = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
    const method = part === "events"
      ? "node.stream_events"
      : part === "onSession"
      ? "node.open_session"
      : "node.health";
    const stream = AskedStream.ask(client.connection, method);
    assert.deepEqual(await stream.ended, { kind: "finished" });
    assert.deepEqual(stream.answers.items.filter(({ kind }) => kind === "error"), [
      { kind: "error", error: "internal", message: PRIVATE },
    ]);
    failing = false;
    const answers = await answersTo(client.connection, requestFrame("node.health"));
    assert.deepEqual(answers, [{ kind: "health", nodeRpcMtlsRequired: true }]);
  });
}
