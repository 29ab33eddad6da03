import assert from "node:assert/strict";
import { once } from "node:events";
import * as tls from "node:tls";
import type { AdminClient } from "../daemon/admin_client.ts";
import { REVOCATION_LIST_VALIDITY_MS } from "../identity/certificate_revocation_list.ts";
import { type Endpoint, parseEndpoint } from "../identity/endpoint.ts";
import { type Fingerprint, fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer } from "../identity/pem.ts";
import { DAEMON_SERVER_NAME } from "../transport/client_tls_material.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { AskedStream } from "../transport/quic/testing/asked_stream.ts";
import { RawQuicClient } from "../transport/quic/testing/raw_quic_client.ts";
import { Fleet } from "./harness/fleet.ts";
import { operatorOf } from "./harness/operator.ts";
import { identityOf, type TestIdentity } from "./harness/paired_device.ts";
import { replaySession, saveSession } from "./harness/openssl_session.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";
import { within } from "./harness/within.ts";

const TRANSPORTS = quicAvailability().available ? ["grpc", "quic"] as const : ["grpc"] as const;

/** Nothing here should take longer, in milliseconds. */
const PATIENCE_MS = 60_000;

/** A daemon with two paired nodes that no host runs for. */
interface Setting {
  readonly fleet: Fleet;
  readonly nodeRpc: string;
  readonly admin: AdminClient;
  readonly one: TestIdentity;
  readonly other: TestIdentity;
}

function test(name: string, body: (setting: Setting) => Promise<void>): void {
  Deno.test(name, CHANNEL_LEFTOVERS, async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc } = await fleet.startDaemon();
    await fleet.pair("one");
    await fleet.pair("other");
    using admin = await operatorOf(fleet, nodeRpc);
    const [one, other] = await Promise.all([identityOf(fleet, "one"), identityOf(fleet, "other")]);
    await within(PATIENCE_MS, "the test", body({ fleet, nodeRpc, admin, one, other }));
  });
}

function fingerprintIn({ certificatePem }: TestIdentity): Fingerprint {
  return fingerprintOf(pemToDer(certificatePem));
}

/** The code with which the daemon refuses a node, or "welcomed". */
async function answerTo(nodeRpc: string, identity: TestIdentity, transport: "grpc" | "quic"): Promise<string> {
  try {
    using _node = await ScriptedNode.connect(nodeRpc, identity, { transport });
    return "welcomed";
  } catch (error) {
    if (error instanceof PalyraError) return error.code;
    throw error;
  }
}

for (const transport of TRANSPORTS) {
  test(`revoking one certificate ends its session over ${transport}, keeps it out for good, and leaves its device paired`, async ({ fleet, nodeRpc, admin, one, other }) => {
    using node = await ScriptedNode.connect(nodeRpc, one, { transport });
    using bystander = await ScriptedNode.connect(nodeRpc, other, { transport });
    const fingerprint = fingerprintIn(one);
    const device = await admin.revokeCertificate({
      fingerprint: fingerprint.slice(0, 8).toUpperCase(),
      reason: "copied",
    });
    assert.equal(device.status, "paired");
    assert.deepEqual(device.certificates.map((each) => [each.fingerprint, each.revoked, each.revokedReason]), [
      [fingerprint, true, "copied"],
    ]);
    const { by, code } = await node.ended;
    assert.deepEqual({ by, code }, { by: "peer", code: "certificate_revoked" });
    await bystander.settled();

    for (const over of TRANSPORTS) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal(await answerTo(nodeRpc, one, over), "certificate_revoked", over);
    }
    // Again changes nothing: the first reason stands.
    const again = await admin.revokeCertificate({ fingerprint, reason: "another" });
    assert.equal(again.certificates[0]?.revokedReason, "copied");
    await fleet.restartDaemon("SIGKILL");
    for (const over of TRANSPORTS) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal(await answerTo(nodeRpc, one, over), "certificate_revoked", `${over} after a restart`);
    }
    assert.equal(await answerTo(nodeRpc, other, transport), "welcomed");
  });
}

test("a revoked certificate's connections are cut although nothing on them ends by itself, and no others", async ({ nodeRpc, admin, one, other }) => {
  const endpoint = parseEndpoint(nodeRpc);
  const [silent, bystander] = await Promise.all([holdTls(endpoint, one), holdTls(endpoint, other)]);
  const quic = quicAvailability().available ? await holdQuic(endpoint, one) : undefined;
  const cut = once(silent, "close");
  await admin.revokeCertificate({ fingerprint: fingerprintIn(one), reason: "" });
  await cut;
  if (quic !== undefined) {
    const { application, reason } = await quic.closed;
    assert.deepEqual({ application, reason }, { application: false, reason: "certificate_revoked" });
    await quic[Symbol.asyncDispose]();
  }
  assert.equal(bystander.destroyed, false);
  const ended = once(bystander, "close");
  bystander.destroy();
  await ended;
});

test("a TLS session saved before a revocation opens nothing after it", async ({ nodeRpc, admin, one }) => {
  const saved = await saveSession(nodeRpc, one);
  assert.equal((await replaySession(nodeRpc, saved, one)).answered, false, "resumed sessions are refused anyway");
  await admin.revokeCertificate({ fingerprint: fingerprintIn(one), reason: "" });
  const { resumed, answered } = await replaySession(nodeRpc, saved, one);
  assert.deepEqual({ resumed, answered }, { resumed: true, answered: false });
  await Deno.remove(saved);
});

test("the local operator may revoke the certificate it works with, and has another at once", async ({ fleet, nodeRpc, admin }) => {
  const { devices } = await admin.listDevices({ includeRevoked: false, afterDeviceId: "" });
  const local = devices.find(({ clientKind }) => clientKind === "cli");
  const fingerprint = local?.certificates.find(({ revoked }) => !revoked)?.fingerprint ?? "";
  const view = await fleet.palyrad("devices", "revoke-certificate", fingerprint, "--reason", "copied");
  assert.equal(view.status, "paired");
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- until the daemon has written the new one
    using renewed = await operatorOf(fleet, nodeRpc);
    // deno-lint-ignore no-await-in-loop -- see above
    const device = await renewed.getDevice({ deviceId: view.device_id }).catch(() => undefined);
    if (device === undefined) continue;
    assert.equal(device.certificates.filter(({ revoked }) => !revoked).length, 1);
    return;
  }
});

test("a node whose certificate was revoked comes back by its device key, and stays out where that is forbidden", async ({ fleet, admin, one, other }) => {
  const host = await fleet.connect("one");
  await admin.revokeCertificate({ fingerprint: fingerprintIn(one), reason: "copied" });
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- until it is back
    const { connected, certificates } = await admin.getDevice({ deviceId: one.deviceId });
    if (!connected || certificates.length < 2) continue;
    assert.deepEqual(certificates.map(({ revoked }) => revoked), [true, false]);
    break;
  }
  await host.stop();
  await admin.setDeviceRecovery({ deviceId: other.deviceId, allowed: false, acknowledgeAlarm: false });
  const forbidden = await fleet.connect("other");
  await admin.revokeCertificate({ fingerprint: fingerprintIn(other), reason: "copied" });
  const { code, stderr } = await forbidden.ended;
  assert.notEqual(code, 0);
  assert.match(stderr, /recovery_forbidden/);
});

test("palyrad says which certificate it does not know, and which digits are too few", async ({ fleet }) => {
  const unknown = await fleet.tryPalyrad("devices", "revoke-certificate", "00000000");
  assert.equal(unknown.code, 8, unknown.stderr);
  assert.match(unknown.stderr, /certificate_not_found/);
  const short = await fleet.tryPalyrad("devices", "revoke-certificate", "0000");
  assert.equal(short.code, 2, short.stderr);
});

test("palyrad ca crl is a list that OpenSSL refuses certificates by, also those of a device that was removed", async ({ fleet, admin, one, other }) => {
  const folder = await Deno.makeTempDir();
  try {
    await fleet.pair("third");
    const third = await identityOf(fleet, "third");
    await admin.revokeCertificate({ fingerprint: fingerprintIn(one), reason: "copied" });
    await admin.removeDevice({ deviceId: third.deviceId, reason: "" });
    await fleet.restartDaemon("SIGTERM");
    const list = `${folder}/list.pem`;
    const written = await fleet.palyrad("ca", "crl", "--out", list);
    assert.equal(written.lists.length, 1);
    assert.equal(written.lists[0].entries, 2);
    await Deno.writeTextFile(`${folder}/ca.pem`, one.caPem);
    await Deno.writeTextFile(`${folder}/both.pem`, one.caPem + await Deno.readTextFile(list));
    const text = await openssl("crl", "-in", list, "-CAfile", `${folder}/ca.pem`, "-noout", "-text");
    assert.match(text.output, /verify OK/);
    assert.match(text.output, /Privilege Withdrawn/);
    const dates = await openssl("crl", "-in", list, "-noout", "-lastupdate", "-nextupdate");
    const [from = NaN, to = NaN] = [...dates.output.matchAll(/Update=(.*)/g)].map(([, date]) => Date.parse(date ?? ""));
    assert.equal(to - from, REVOCATION_LIST_VALIDITY_MS);
    const verdict = async (identity: TestIdentity) => {
      await Deno.writeTextFile(`${folder}/leaf.pem`, identity.certificatePem);
      return await openssl("verify", "-crl_check", "-CAfile", `${folder}/both.pem`, `${folder}/leaf.pem`);
    };
    assert.match((await verdict(one)).output, /certificate revoked/);
    assert.match((await verdict(third)).output, /certificate revoked/);
    assert.equal((await verdict(other)).code, 0);
    await fleet.palyrad("ca", "crl", "--der", "--out", `${folder}/list.der`);
    assert.equal((await openssl("crl", "-inform", "DER", "-in", `${folder}/list.der`, "-noout")).code, 0);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A connection that was let in and on which nothing is asked. */
async function holdTls({ host, port }: Endpoint, identity: TestIdentity): Promise<tls.TLSSocket> {
  const socket = tls.connect({
    ...{ host, port, servername: DAEMON_SERVER_NAME, ALPNProtocols: ["h2"] },
    ...{ ca: identity.caPem, cert: identity.certificatePem, key: identity.keyPem },
  });
  socket.on("error", () => {});
  await once(socket, "data");
  return socket;
}

/** One with a session that does not end its side, whatever it is told. */
async function holdQuic({ host, port }: Endpoint, identity: TestIdentity): Promise<RawQuicClient> {
  const { caPem, certificatePem, keyPem } = identity;
  const client = await RawQuicClient.connect({ host, port }, {
    identity: { caPem: [caPem], certificatePem, keyPem },
  });
  const session = AskedStream.ask(client.connection, "node.open_session");
  assert.equal((await session.answers.at(0)).kind, "session");
  return client;
}

async function openssl(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
  const { code, stdout, stderr } = await new Deno.Command("openssl", { args: [...args] }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}
