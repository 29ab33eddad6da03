import assert from "node:assert/strict";
import { clientMaterialOf, materialOf, testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import { UdpSocket } from "./udp_socket.ts";
import { QuicClient } from "./quic_client.ts";
import { AskedStream } from "./testing/asked_stream.ts";
import { clientIdentity } from "./testing/identities.ts";
import { RawQuicClient } from "./testing/raw_quic_client.ts";
import { assertHealthy, assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpForwarder } from "./testing/udp_forwarder.ts";

const REVOKED = { by: "peer", application: false, code: 300, reason: "certificate_revoked" } as const;
const STOPPING = { by: "peer", application: true, code: 0x02, reason: "shutting_down" } as const;

/** Connections that are made and closed by one daemon; more than any of its limits. */
const CYCLES = 2_000;
const AT_ONCE = 8;

Deno.test("QuicListener.reload() shows new connections the new certificate, and the old ones go on", async () => {
  await using pki = await TestPki.create();
  const [before, after] = [
    await pki.issue("one", { usage: "serverAuth" }),
    await pki.issue("two", { usage: "serverAuth" }),
  ];
  const identity = clientMaterialOf(pki, await pki.issue("node", { usage: "clientAuth" }));
  await using fixture = await startRuntime({ tls: materialOf(pki, before) });
  await using old = await RawQuicClient.connect(fixture.address, { identity });
  assert.equal(old.connection.peer?.fingerprint, before.fingerprint);
  fixture.runtime.reload(materialOf(pki, after));
  await using young = await RawQuicClient.connect(fixture.address, { identity });
  assert.equal(young.connection.peer?.fingerprint, after.fingerprint);
  await Promise.all([assertHealthy(old), assertHealthy(young)]);
});

Deno.test("QuicListener.reload() takes up another CA, and no longer lets in the clients of the old one", async () => {
  await using oldPki = await TestPki.create();
  await using newPki = await TestPki.create();
  const server = materialOf(oldPki, await oldPki.issue("daemon", { usage: "serverAuth" }));
  const oldClient = clientMaterialOf(oldPki, await oldPki.issue("node", { usage: "clientAuth" }));
  const newClient = {
    ...clientMaterialOf(newPki, await newPki.issue("node", { usage: "clientAuth" })),
    caPem: [oldPki.ca.certificatePem],
  };
  await using fixture = await startRuntime({ tls: server });
  await assertServes(fixture.address, oldClient);
  fixture.runtime.reload({ ...server, clientCaPem: [oldPki.ca.certificatePem, newPki.ca.certificatePem] });
  await assertServes(fixture.address, oldClient);
  await assertServes(fixture.address, newClient);
  fixture.runtime.reload({ ...server, clientCaPem: [newPki.ca.certificatePem] });
  await assertServes(fixture.address, newClient);
  await using late = await RawQuicClient.connect(fixture.address, { identity: oldClient });
  assert.deepEqual(await late.closed, { by: "peer", application: false, code: 304, reason: "" });
});

Deno.test("QuicListener.closeConnections() cuts every connection of one certificate at once, and nobody else's", async () => {
  await using pki = await TestPki.create();
  const server = materialOf(pki, await pki.issue("daemon", { usage: "serverAuth" }));
  const [revoked, other] = [
    await pki.issue("one", { usage: "clientAuth" }),
    await pki.issue("two", { usage: "clientAuth" }),
  ];
  await using fixture = await startRuntime({ tls: server });
  const connect = (identity: typeof revoked) =>
    RawQuicClient.connect(fixture.address, { identity: clientMaterialOf(pki, identity) });
  await using one = await connect(revoked);
  await using two = await connect(revoked);
  await using lawful = await connect(other);
  await Promise.all([one, two, lawful].map(assertHealthy));
  AskedStream.ask(one.connection, "node.open_session");
  const session = await fixture.sessions.at(0);

  assert.equal(fixture.runtime.closeConnections(revoked.fingerprint), 2);
  // Before anything else can happen.
  assert.equal(fixture.runtime.connectionCount, 1);
  assert.equal(fixture.runtime.closeConnections(revoked.fingerprint), 0);
  assert.deepEqual(await Promise.all([one.closed, two.closed]), [REVOKED, REVOKED]);
  const { by, code } = await session.closed;
  assert.deepEqual({ by, code }, { by: "local", code: "certificate_revoked" });
  await assertHealthy(lawful);
  assert.equal(lawful.connection.closed, undefined);
});

Deno.test("QuicListener.close() lets go of what nothing goes on in at once, and waits for the rest to end", async () => {
  const fixture = await startRuntime();
  const identity = await clientIdentity();
  await using idle = await RawQuicClient.connect(fixture.address, { identity });
  await using busy = await RawQuicClient.connect(fixture.address, { identity });
  await Promise.all([assertHealthy(idle), assertHealthy(busy)]);
  const events = AskedStream.ask(busy.connection, "node.stream_events");
  await events.answers.first(5);
  const closing = fixture.runtime.close({ graceMs: 60_000 });
  assert.deepEqual(await idle.closed, STOPPING);
  await assertHealthy(busy);
  await using late = RawQuicClient.begin(fixture.address, { identity, limits: { handshakeTimeoutMs: 200 } });
  assert.equal(await late.established, false);
  await busy[Symbol.asyncDispose]();
  await closing;
  await fixture.runtime.close({ graceMs: 0 });
});

Deno.test("QuicListener.close() tells those that are still busy after the grace, frees the port, and can be called again", async () => {
  const fixture = await startRuntime();
  await using busy = await RawQuicClient.connect(fixture.address, { identity: await clientIdentity() });
  const stream = AskedStream.ask(busy.connection, "node.open_session");
  const session = await fixture.sessions.at(0);
  const [first, second] = [fixture.runtime.close({ graceMs: 50 }), fixture.runtime.close({ graceMs: 60_000 })];
  assert.deepEqual(await busy.closed, STOPPING);
  assert.deepEqual(await stream.ended, { kind: "connection" });
  assert.equal((await session.closed).code, "shutting_down");
  await Promise.all([first, second]);
  const { open, held } = fixture.runtime.counters;
  assert.deepEqual({ open, held }, { open: 0, held: 0 });
  const again = UdpSocket.bind("127.0.0.1", fixture.address.port, () => {});
  await again.close();
});

Deno.test("QuicListener.close() ends handshakes that are not complete", async () => {
  const fixture = await startRuntime();
  const clients = await Promise.all(Array.from({ length: 20 }, async () => {
    return RawQuicClient.begin(fixture.address, { identity: await clientIdentity() });
  }));
  await fixture.runtime.close({ graceMs: 0 });
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  assert.equal(fixture.runtime.counters.held, 0);
});

Deno.test(`QuicListener keeps nothing of ${CYCLES} connections that were made, used and closed`, async () => {
  await using fixture = await startRuntime({ limits: { handshakeRate: { burst: 10_000, perSecond: 10_000 } } });
  const { client } = await testMaterial();
  let left = CYCLES;
  const cycle = async () => {
    while (left-- > 0) {
      // deno-lint-ignore no-await-in-loop -- one connection after the other
      const connected = await QuicClient.connect(
        { address: fixture.address, material: client },
        new AbortController().signal,
      );
      // deno-lint-ignore no-await-in-loop -- one connection after the other
      await assertHealthy(connected);
      // deno-lint-ignore no-await-in-loop -- one connection after the other
      await connected.close();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, cycle));
  // A closed connection is kept for a moment, for what is still on its way to it.
  // deno-lint-ignore no-await-in-loop -- until the last is gone
  while (fixture.runtime.counters.held > 0) await new Promise((resolve) => setImmediate(resolve));
  const { accepted, open, refused } = fixture.runtime.counters;
  assert.deepEqual({ accepted, open, refused: [...refused] }, { accepted: CYCLES, open: 0, refused: [] });
});

Deno.test("QuicListener tells clients of an earlier process that their connections are over, if it has its key", async () => {
  const resetKey = crypto.getRandomValues(new Uint8Array(32));
  const earlier = await startRuntime({ resetKey });
  await using later = await startRuntime({ resetKey });
  await using forwarder = UdpForwarder.start(earlier.address);
  const { client } = await testMaterial();
  const connected = await QuicClient.connect(
    { address: forwarder.address, material: client, limits: { keepAliveMs: 20 } },
    new AbortController().signal,
  );
  await assertHealthy(connected);
  forwarder.turnTo(later.address);
  const { by, application } = await connected.closed;
  assert.deepEqual({ by, application }, { by: "network", application: false });
  assert.equal(connected.failure?.code, "daemon_unreachable");
  assert.equal(later.runtime.counters.accepted, 0);
  await earlier.runtime.close({ graceMs: 0 });
});
