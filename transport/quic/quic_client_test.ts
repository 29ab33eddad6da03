import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { clientMaterialOf, materialOf, testMaterial } from "../testing/test_material.ts";
import { TestPki } from "../testing/test_pki.ts";
import { initialRefusal } from "./initial_refusal.ts";
import { QuicClient, type QuicClientOptions } from "./quic_client.ts";
import { type Host, quiche } from "./quiche_addon.ts";
import { StatelessResets } from "./stateless_reset.ts";
import { assertHealthy, assertServes, startRuntime } from "./testing/runtime_fixture.ts";
import { UdpForwarder } from "./testing/udp_forwarder.ts";
import { UdpSocket } from "./udp_socket.ts";

const NEVER = new AbortController().signal;
const YESTERDAY = new Date(Date.now() - 86_400_000);

async function connect(address: Host, options: Partial<QuicClientOptions> = {}): Promise<QuicClient> {
  const { client } = await testMaterial();
  return await QuicClient.connect({ address, material: client, ...options }, NEVER);
}

Deno.test("QuicClient connects with no pin, and with the pin of the daemon's certificate", async () => {
  const { serverFingerprint } = await testMaterial();
  await using fixture = await startRuntime();
  for (const pinned of [{}, { pinnedServer: serverFingerprint }]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const client = await connect(fixture.address, pinned);
    assert.equal(client.peer.fingerprint, serverFingerprint);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assertHealthy(client);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await client.close();
  }
});

Deno.test("QuicClient refuses a daemon with another certificate than the pinned one, though its CA is right", async () => {
  const { clientIdentity } = await testMaterial();
  await using fixture = await startRuntime({ limits: { maxConnectionsPerPeer: 1 } });
  await assert.rejects(connect(fixture.address, { pinnedServer: clientIdentity.fingerprint }), {
    name: "PalyraError",
    code: "daemon_untrusted",
    message:
      `The certificate of what answers at 127.0.0.1:${fixture.address.port} is not the one that was pinned. Check ` +
      "the address; if the daemon's certificate was renewed, pin the new one.",
  });
  // The daemon had no reason to refuse the client, and hears at once that it is left.
  await assertServes(fixture.address);
  const { accepted, refused } = fixture.runtime.counters;
  assert.deepEqual({ accepted, refused: [...refused] }, { accepted: 2, refused: [] });
});

Deno.test("QuicClient refuses a daemon whose certificate is of another CA, of no server, or expired", async () => {
  await using pki = await TestPki.create();
  await using otherPki = await TestPki.create();
  const material = clientMaterialOf(pki, await pki.issue("node", { usage: "clientAuth" }));
  const untrusted = [
    [await otherPki.issue("daemon", { usage: "serverAuth" }), /not the daemon this machine was paired with/],
    [await pki.issue("node", { usage: "clientAuth" }), /not the daemon this machine was paired with/],
    [
      await pki.issue("daemon", { usage: "serverAuth", notBefore: new Date(0), notAfter: YESTERDAY }),
      /not valid at this time/,
    ],
  ] as const;
  for (const [server, message] of untrusted) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await using fixture = await startRuntime({ tls: materialOf(pki, server) });
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(connect(fixture.address, { material }), { code: "daemon_untrusted", message });
  }
});

Deno.test("QuicClient says why the daemon has refused it, also to who asks for a stream afterwards", async () => {
  const revoked = new PalyraError("device_revoked", "The device was revoked.");
  await using fixture = await startRuntime({ authorize: () => revoked });
  const client = await connect(fixture.address);
  const close = await client.closed;
  assert.deepEqual(close, { by: "peer", application: false, code: 300, reason: "device_revoked" });
  assert.equal(client.failure?.code, "device_revoked");
  assert.throws(() => client.openFrames(), { code: "device_revoked" });
});

for (const reason of ["device_revoked", "certificate_revoked", "device_unknown"]) {
  Deno.test(`QuicClient does not believe ${reason} from somebody who has only seen its first packet`, async () => {
    const forger = UdpSocket.bind("127.0.0.1", 0, (datagram, from) => {
      const { version, scid, dcid } = quiche().Header.fromSlice(datagram, 8);
      const packet = initialRefusal({ version, clientId: scid, serverId: dcid }, 2, reason);
      if (packet !== undefined) forger.send(packet, packet.length, from);
    });
    await assert.rejects(connect(forger.local), { code: "daemon_unreachable" });
    await forger.close();
  });
}

Deno.test("QuicClient gives up a daemon that does not answer, when its time is over", async () => {
  const nobody = UdpSocket.bind("127.0.0.1", 0, () => {});
  await assert.rejects(connect(nobody.local, { limits: { handshakeTimeoutMs: 100 } }), { code: "handshake_timeout" });
  await nobody.close();
});

Deno.test("QuicClient rejects with cancelled when it is told to give up, before and while it connects", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await startRuntime();
  const reason = new Error("not needed any more");
  await assert.rejects(
    QuicClient.connect({ address: fixture.address, material }, AbortSignal.abort(reason)),
    { code: "cancelled", cause: reason },
  );
  assert.equal(fixture.runtime.counters.datagramsReceived, 0);
  const nobody = UdpSocket.bind("127.0.0.1", 0, () => giveUp.abort(reason));
  const giveUp = new AbortController();
  await assert.rejects(QuicClient.connect({ address: nobody.local, material }, giveUp.signal), {
    code: "cancelled",
    cause: reason,
  });
  await nobody.close();
});

Deno.test("QuicClient stays connected when the signal of its connecting aborts later", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await startRuntime();
  const giveUp = new AbortController();
  const client = await QuicClient.connect({ address: fixture.address, material }, giveUp.signal);
  giveUp.abort();
  await assertHealthy(client);
  await client.close();
  await client.close();
  assert.deepEqual(await client.closed, { by: "local", application: true, code: 0, reason: "" });
});

Deno.test("QuicClient rejects with state_damaged when its certificate and key do not belong together", async () => {
  const { client, server } = await testMaterial();
  await using fixture = await startRuntime();
  for (const broken of [{ keyPem: server.keyPem }, { keyPem: "nonsense" }, { certificatePem: "nonsense" }]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(connect(fixture.address, { material: { ...client, ...broken } }), { code: "state_damaged" });
  }
  assert.equal(fixture.runtime.counters.datagramsReceived, 0);
});

Deno.test("QuicClient throws a RangeError for limits that the native library would not survive", async () => {
  await using fixture = await startRuntime();
  await assert.rejects(connect(fixture.address, { limits: { idleTimeoutMs: -1 } }), RangeError);
});

Deno.test("QuicClient leaves its connection alone when strangers send to its port", async () => {
  await using fixture = await startRuntime();
  await using forwarder = UdpForwarder.start(fixture.address);
  const client = await connect(forwarder.address);
  const stranger = UdpSocket.bind("127.0.0.1", 0, () => {});
  const { port } = forwarder.clientAddress;
  for (const first of [0x40, 0x5f, 0xc0, 0xe0, 0xf0, 0x00]) {
    for (const length of [1, 20, 21, 42, 1_200]) {
      const noise = crypto.getRandomValues(new Uint8Array(length));
      noise[0] = first;
      stranger.send(noise, length, { host: "127.0.0.1", port });
    }
  }
  await assertHealthy(client);
  await stranger.close();
  await assertHealthy(client);
  await client.close();
});

Deno.test("QuicClient believes that its daemon has forgotten it only from the daemon's own address", async () => {
  const resetKey = crypto.getRandomValues(new Uint8Array(32));
  await using fixture = await startRuntime({ resetKey });
  await using forwarder = UdpForwarder.start(fixture.address);
  const client = await connect(forwarder.address);
  await assertHealthy(client);
  const addressed = new Uint8Array(100).fill(0x40);
  addressed.set(new Uint8Array(client.connection.native.destinationId()), 1);
  const reset = new StatelessResets(resetKey).answerTo(addressed);
  assert.ok(reset !== undefined);
  const stranger = UdpSocket.bind("127.0.0.1", 0, () => {});
  const { port } = forwarder.clientAddress;
  stranger.send(reset.slice(), reset.length, { host: "127.0.0.1", port });
  await stranger.close();
  await assertHealthy(client);
  forwarder.forge(reset);
  const { by, reason } = await client.closed;
  assert.deepEqual({ by, reason }, { by: "network", reason: "the other side does not know this connection any more" });
});

Deno.test("QuicClient is not confused by noise from its daemon's address, after an address change either", async () => {
  await using fixture = await startRuntime();
  await using forwarder = UdpForwarder.start(fixture.address);
  const client = await connect(forwarder.address);
  const first = new Uint8Array(client.connection.native.destinationId()).toHex();
  forwarder.rebind();
  // deno-lint-ignore no-await-in-loop -- until it has another id
  do await assertHealthy(client); while (first === new Uint8Array(client.connection.native.destinationId()).toHex());
  const seen = fixture.runtime.counters.datagramsReceived;
  for (const length of [1, 20, 21, 42, 1_200]) {
    const noise = crypto.getRandomValues(new Uint8Array(length));
    noise[0] = 0x41;
    forwarder.forge(noise);
  }
  // It asks whether it is forgotten, once, and is not answered.
  // deno-lint-ignore no-await-in-loop -- until the daemon has heard it
  while (fixture.runtime.counters.datagramsReceived === seen) await new Promise((resolve) => setImmediate(resolve));
  await assertHealthy(client);
  await client.close();
});
