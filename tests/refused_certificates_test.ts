import assert from "node:assert/strict";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { TlsKey } from "../identity/tls_key.ts";
import type { AdminClient } from "../daemon/admin_client.ts";
import { RegisterNodeRequest, RevokeDevicePairingRequest, RotateDeviceCertificateRequest } from "../proto/gen/node.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { AskedStream } from "../transport/quic/testing/asked_stream.ts";
import { DenoQuicClient } from "../transport/quic/testing/deno_quic_client.ts";
import { RawQuicClient } from "../transport/quic/testing/raw_quic_client.ts";
import { Fleet } from "./harness/fleet.ts";
import { replaySession, saveSession } from "./harness/openssl_session.ts";
import { operatorOf } from "./harness/operator.ts";
import { adminClient, identityOf, nodeClient, type TestIdentity } from "./harness/paired_device.ts";
import { refusedIdentities, UNSIGNING } from "./harness/refused_identity.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";

const TRANSPORTS = quicAvailability().available ? ["grpc", "quic"] as const : ["grpc"] as const;

/** A real daemon with two paired nodes that no host runs for. */
interface Setting {
  readonly fleet: Fleet;
  readonly nodeRpc: string;
  readonly enrolment: string;
  readonly admin: AdminClient;
  readonly one: TestIdentity;
  readonly other: TestIdentity;
}

function test(name: string, body: (setting: Setting, t: Deno.TestContext) => Promise<void>): void {
  Deno.test(name, CHANNEL_LEFTOVERS, async (t) => {
    await using fleet = await Fleet.create();
    const { nodeRpc, enrolment } = await fleet.startDaemon();
    await fleet.pair("one");
    await fleet.pair("other");
    using admin = await operatorOf(fleet, nodeRpc);
    const [one, other] = await Promise.all([identityOf(fleet, "one"), identityOf(fleet, "other")]);
    await body({ fleet, nodeRpc, enrolment, admin, one, other }, t);
  });
}

/** Asks for a node's simplest call by gRPC; resolves with the code of the refusal, or "answered". */
async function register(endpoint: string, identity: TestIdentity, deviceId = identity.deviceId): Promise<string> {
  using client = nodeClient(endpoint, identity);
  const request = RegisterNodeRequest.create({ v: 1, deviceId: { ulid: deviceId }, platform: "test" });
  return await outcome(callUnary(client, client.registerNode, request));
}

async function listDevices(endpoint: string, identity: TestIdentity): Promise<string> {
  using client = adminClient(endpoint, identity);
  return await outcome(callUnary(client, client.listDevices, { includeRevoked: false, afterDeviceId: "" }));
}

async function outcome(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (error) {
    if (error instanceof PalyraError) return error.code;
    throw error;
  }
}

/** How many connections a listener has refused. */
async function refusals(admin: AdminClient, name: string): Promise<number> {
  const { listeners } = await admin.getStatus({});
  const counts = listeners.find((listener) => listener.name === name)?.refusals ?? [];
  return counts.reduce((total, { count }) => total + count, 0);
}

/** Connects and asks; resolves when the daemon has closed the connection without an answer. */
async function connectByQuic(nodeRpc: string, { caPem, certificatePem, keyPem }: TestIdentity): Promise<void> {
  const { host, port } = parseEndpoint(nodeRpc);
  await using client = RawQuicClient.begin({ host, port }, { identity: { caPem: [caPem], certificatePem, keyPem } });
  // The handshake may be complete on the client's side, but nothing is ever answered.
  const asked = await client.established ? AskedStream.ask(client.connection, "node.health") : undefined;
  assert.equal((await client.closed).by, "peer");
  assert.deepEqual(asked?.answers.items ?? [], []);
}

/** The same by a client that shows what BoringSSL refuses to load. */
async function connectByDeno(nodeRpc: string, { caPem, certificatePem, keyPem }: TestIdentity): Promise<void> {
  const { host, port } = parseEndpoint(nodeRpc);
  await using client = await DenoQuicClient.connect({ host, port }, { caPem: [caPem], certificatePem, keyPem });
  assert.match(await client.closed, /by peer/);
}

test(
  "no listener takes a certificate for that of a paired device that is not",
  async ({ fleet, nodeRpc, enrolment, admin, one }, t) => {
    const identities = await refusedIdentities(fleet, one);
    for (const [what, identity] of Object.entries(identities)) {
      // deno-lint-ignore no-await-in-loop -- one step after the other
      await t.step(`node RPC: ${what}`, async () => {
        const before = await refusals(admin, "node_rpc");
        assert.notEqual(await register(nodeRpc, identity), "answered");
        assert.notEqual(await listDevices(nodeRpc, identity), "answered");
        assert.ok(await refusals(admin, "node_rpc") > before, "the daemon has counted it");
      });
      if (quicAvailability().available) {
        // deno-lint-ignore no-await-in-loop -- one step after the other
        await t.step(`QUIC: ${what}`, async () => {
          const before = await refusals(admin, "quic");
          if (what === UNSIGNING) await connectByDeno(nodeRpc, identity);
          else await connectByQuic(nodeRpc, identity);
          assert.ok(await refusals(admin, "quic") > before, "the daemon has counted it");
        });
      }
      // deno-lint-ignore no-await-in-loop -- one step after the other
      await t.step(`enrolment: ${what}`, async () => {
        // It asks for no certificate, so none opens anything there.
        assert.equal(await register(enrolment, identity), "wrong_listener");
        assert.equal(await listDevices(enrolment, identity), "unsupported");
      });
    }
    await t.step("the paired device's own is taken", async () => {
      assert.equal(await register(nodeRpc, one), "answered");
      assert.equal(await listDevices(nodeRpc, one), "not_an_operator");
      assert.equal(await register(enrolment, one), "wrong_listener");
      for (const transport of TRANSPORTS) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        using _node = await ScriptedNode.connect(nodeRpc, one, { transport });
      }
    });
  },
);

test("a device's certificate does not let it speak for another", async ({ nodeRpc, one, other }) => {
  const impostor = { ...other, deviceId: one.deviceId };
  assert.equal(await register(nodeRpc, impostor), "device_mismatch");
  for (const transport of TRANSPORTS) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(ScriptedNode.connect(nodeRpc, impostor, { transport }), /device_mismatch/, transport);
  }
  using client = nodeClient(nodeRpc, other);
  const csrDer = await createCertificateRequest({ deviceId: one.deviceId, tlsKey: await TlsKey.generate() });
  for (const deviceId of [one.deviceId, other.deviceId]) {
    const request = RotateDeviceCertificateRequest.create({ v: 1, deviceId: { ulid: deviceId }, csrDer });
    // deno-lint-ignore no-await-in-loop -- one after the other
    const code = await outcome(callUnary(client, client.rotateDeviceCertificate, request));
    assert.ok(["device_mismatch", "invalid_certificate_request"].includes(code), code);
  }
  const unpair = RevokeDevicePairingRequest.create({ v: 1, deviceId: { ulid: one.deviceId } });
  assert.equal(await outcome(callUnary(client, client.revokeDevicePairing, unpair)), "device_mismatch");
});

test("a TLS session saved at any listener opens none where certificates are asked for", async ({ nodeRpc, enrolment, one }) => {
  for (
    const [listener, endpoint, identity] of [["enrolment", enrolment, undefined], ["node RPC", nodeRpc, one]] as const
  ) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const session = await saveSession(endpoint, identity);
    for (const shown of [undefined, one]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const { answered } = await replaySession(nodeRpc, session, shown);
      assert.equal(answered, false, `saved at ${listener}, ${shown === undefined ? "without" : "with"} a certificate`);
    }
    // deno-lint-ignore no-await-in-loop -- one after the other
    await Deno.remove(session);
  }
});
