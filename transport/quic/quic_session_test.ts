import assert from "node:assert/strict";
import { NodeEventRequest, NodeEventResponse } from "../../proto/gen/node.ts";
import type { DaemonSession } from "../session.ts";
import { SilenceWatch } from "../silence_watch.ts";
import { sessionContract, type SessionPair } from "../testing/session_contract.ts";
import { testMaterial } from "../testing/test_material.ts";
import { MAX_MESSAGE_BYTES } from "../transport_limits.ts";
import { QuicDialer } from "./quic_dialer.ts";
import { QuicRuntime } from "./quic_runtime.ts";
import { sessionFrames } from "./session_frame.ts";
import { AskedStream } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, startRuntime } from "./testing/runtime_fixture.ts";

async function makePair(): Promise<SessionPair> {
  const { server, serverFingerprint, client, clientIdentity } = await testMaterial();
  const accepted = Promise.withResolvers<DaemonSession>();
  const runtime = QuicRuntime.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: server,
    authorize: () => undefined,
    onSession: accepted.resolve,
    health: () => ({ nodeRpcMtlsRequired: true }),
    events: async function* () {},
    onRefused: (_remoteAddress, error) => accepted.reject(error),
  });
  const dialer = new QuicDialer({
    endpoint: { host: "127.0.0.1", port: runtime.address.port },
    material: () => client,
  });
  const node = await dialer.dial(new AbortController().signal);
  const daemon = await accepted.promise;
  return {
    daemon,
    node,
    nodeFingerprint: clientIdentity.fingerprint,
    daemonFingerprint: serverFingerprint,
    async [Symbol.asyncDispose]() {
      node.abort("cancelled", "The test is over.");
      await node.closed;
      await runtime.close({ graceMs: 0 });
    },
  };
}

sessionContract("quic", { maxMessageBytes: MAX_MESSAGE_BYTES }, makePair);

Deno.test("QuicSession.receivedAt tells of the session's own stream, whatever else keeps the connection alive", async () => {
  await using fixture = await startRuntime();
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 5 } });
  const stream = AskedStream.ask(client.connection, "node.open_session");
  const session = await fixture.sessions.at(0);
  session.onMessage = () => {};
  const openedAt = session.receivedAt ?? NaN;
  assert.ok(openedAt > 0);
  // deno-lint-ignore no-await-in-loop -- one request after the other
  for (let requests = 0; requests < 10; requests++) await assertHealthy(client);
  assert.equal(session.receivedAt, openedAt);
  // Of a message that is not whole yet.
  const [frame] = sessionFrames(NodeEventRequest.encode(NodeEventRequest.create({ v: 1 })).finish(), 1_024);
  assert.ok(frame !== undefined);
  stream.write(frame.subarray(0, 3));
  await assertHealthy(client);
  assert.ok((session.receivedAt ?? NaN) > openedAt);
});

Deno.test("QuicSession.receivedAt lets silence be noticed on a connection that is alive", async () => {
  await using fixture = await startRuntime();
  const identity = await clientIdentity();
  await using client = await RawQuicClient.connect(fixture.address, { identity, limits: { keepAliveMs: 5 } });
  AskedStream.ask(client.connection, "node.open_session");
  const session = await fixture.sessions.at(0);
  session.onMessage = () => {};
  const silent = Promise.withResolvers<void>();
  const watch = new SilenceWatch(silent.resolve, () => session.receivedAt);
  watch.start(100);
  await silent.promise;
  assert.equal(client.connection.closed, undefined);
  await assertHealthy(client);
});

Deno.test("QuicSession.receivedAt of a node does not change with the daemon's acknowledgements, and does with its words", async () => {
  await using pair = await makePair();
  const { node, daemon } = pair;
  const heard = Promise.withResolvers<void>();
  node.onMessage = () => heard.resolve();
  const openedAt = node.receivedAt ?? NaN;
  for (let count = 0; count < 10; count++) {
    // deno-lint-ignore no-await-in-loop -- one message after the other
    await new Promise<void>((resolve) => {
      daemon.onMessage = () => resolve();
      node.send(NodeEventRequest.create({ v: 1 }));
    });
  }
  assert.equal(node.receivedAt, openedAt);
  daemon.send(NodeEventResponse.create({ v: 1 }));
  await heard.promise;
  assert.ok((node.receivedAt ?? NaN) > openedAt);
});
