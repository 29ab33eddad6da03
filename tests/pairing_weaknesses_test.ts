import assert from "node:assert/strict";
import { join } from "node:path";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { parseQrToken } from "../identity/qr_token.ts";
import { CapabilityResult, DeviceCapability, RegisterNodeRequest } from "../proto/gen/node.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { adminClient, nodeClient, type TestIdentity } from "./harness/paired_device.ts";
import { type DeviceOptions, PairingDevice } from "./harness/pairing_device.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";

/** The weakness of the Rust original of that id (its fact sheet, section 9), which this daemon must not have. */
function weakness(id: string, claim: string, body: (daemon: InProcessDaemon) => Promise<void>): void {
  Deno.test(`${id}: ${claim}`, CHANNEL_LEFTOVERS, async () => {
    await using daemon = await InProcessDaemon.start();
    await body(daemon);
  });
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(() => "served", (thrown) => PalyraError.from(thrown).code);
}

/** A device that was approved in advance, with its certificate. */
async function paired(
  daemon: InProcessDaemon,
  options: DeviceOptions = {},
): Promise<{ device: PairingDevice; identity: TestIdentity }> {
  const device = await PairingDevice.create(options);
  const { secretText } = await daemon.mint({ approve: true, clientKind: options.clientKind ?? "node" });
  return { device, identity: await device.identityBy(await device.pair(daemon.enrolment, secretText)) };
}

const plain = { reason: "", replace: false, only: undefined };

weakness("S1", "a device without a certificate pairs on the enrolment listener, and nowhere else", async (daemon) => {
  const { device, identity } = await paired(daemon);
  using node = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport: "grpc" });
  assert.ok(node.received.length > 0);
  const { secretText } = await daemon.mint();
  // The node RPC listener lets nobody pair: not without a certificate, and not with one.
  using connection = await device.connect(daemon.nodeRpc);
  assert.notEqual(await codeOf(connection.begin(device.beginRequest(secretText))), "served");
  using client = nodeClient(daemon.nodeRpc, identity);
  assert.equal(
    await codeOf(callUnary(client, client.beginPairingSession, device.beginRequest(secretText))),
    "wrong_listener",
  );
});

weakness(
  "S2",
  "a certificate goes to whoever proves the device's key, holds no private key, and to nobody after a revocation",
  async (daemon) => {
    const device = await PairingDevice.create();
    const { requestId } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
    await daemon.operator.approvePairing({ requestId, ...plain });
    const thief = await PairingDevice.create();
    using connection = await thief.connect(daemon.enrolment);
    const { deviceId } = device.identity;
    // The ids are known to the thief, the key is not; and a question that was signed before is no use for another.
    const overheard = device.statusRequest(requestId);
    const forged = { ...thief.statusRequest(requestId), deviceId: { ulid: deviceId } };
    const altered = {
      ...overheard,
      replay: overheard.replay && { ...overheard.replay, nonce: "another-nonce-of-mine" },
    };
    for (const question of [forged, altered]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal(await codeOf(connection.watch(question).next()), "pairing_proof_failed");
    }
    const answer = await device.status(daemon.enrolment, requestId);
    assert.match(answer.mtlsClientCertificatePem, /BEGIN CERTIFICATE/);
    assert.doesNotMatch(JSON.stringify(answer), /PRIVATE KEY/);
    await daemon.operator.revokeDevice({ deviceId, reason: "stolen" });
    const after = await device.status(daemon.enrolment, requestId);
    assert.deepEqual([after.status, after.mtlsClientCertificatePem], ["rejected", ""]);
  },
);

weakness("S5", "a node changes nothing about another node's request", async (daemon) => {
  const [one, other] = [await paired(daemon, { deviceName: "one" }), await paired(daemon, { deviceName: "other" })];
  using owner = await ScriptedNode.connect(daemon.nodeRpc, one.identity, { transport: "grpc" });
  using meddler = await ScriptedNode.connect(daemon.nodeRpc, other.identity, { transport: "quic" });
  const running = daemon.operator.execute({ deviceId: "one", capability: "echo", timeoutMs: 20_000 });
  const [dispatch] = await owner.dispatched(1);
  const attempt = { requestId: dispatch?.requestId, attempt: 1 };
  const result = (text: string) =>
    CapabilityResult.create({ attempt, success: true, outputJson: new TextEncoder().encode(text) });
  meddler.send({ $case: "accepted", value: { attempt } });
  meddler.send({ $case: "awaitingLocalMediation", value: { attempt } });
  meddler.send({ $case: "result", value: result('"theirs"') });
  await meddler.settled();
  const requestId = dispatch?.requestId?.ulid ?? "";
  assert.equal((await daemon.operator.getRequest({ requestId })).state, "dispatched");
  owner.send({ $case: "result", value: result('"ours"') });
  const { state, outputJson } = await running;
  assert.deepEqual([state, new TextDecoder().decode(outputJson)], ["succeeded", '"ours"']);
});

weakness(
  "S6",
  "registering again, or a name in another case, brings no capability back that was denied",
  async (daemon) => {
    const { identity } = await paired(daemon, { wants: ["echo", "files.read"] });
    const { operator, nodeRpc } = daemon;
    const { deviceId } = identity;
    await operator.setCapabilityGrant({ deviceId, grant: [], deny: ["echo"] });
    using _ = await ScriptedNode.connect(nodeRpc, identity, {
      transport: "grpc",
      capabilities: ["echo", "files.read"],
    });
    using client = nodeClient(nodeRpc, identity);
    const register = (names: readonly string[]) => {
      const capabilities = names.map((name) => DeviceCapability.create({ name, available: true }));
      const request = RegisterNodeRequest.create({
        v: 1,
        deviceId: { ulid: deviceId },
        platform: "test",
        capabilities,
      });
      return codeOf(callUnary(client, client.registerNode, request));
    };
    const submit = (capability: string) => codeOf(operator.submit({ deviceId, capability }));
    assert.equal(await register(["echo", "files.read"]), "served");
    assert.equal(await submit("echo"), "capability_denied");
    for (const name of ["Echo", "ECHO", "echo ", "еcho"]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.deepEqual([await register([name]), await submit(name)], ["invalid_argument", "invalid_argument"], name);
    }
    assert.equal(await submit("echo"), "capability_denied");
    // What it declares no more and then again is as denied as it was.
    assert.equal(await register([]), "served");
    assert.equal(await submit("echo"), "capability_not_found");
    assert.equal(await register(["echo"]), "served");
    assert.equal(await submit("echo"), "capability_denied");
    assert.deepEqual((await operator.getDevice({ deviceId })).grantedCapabilities, ["files.read"]);
  },
);

for (const transport of ["grpc", "quic"] as const) {
  weakness(
    "S8",
    `a session over ${transport} does not outlive the certificate that a new pairing superseded`,
    async (daemon) => {
      const { device, identity } = await paired(daemon);
      using node = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport });
      const { secretText } = await daemon.mint({ approve: true });
      const again = await PairingDevice.create({ identity: device.identity });
      const renewed = await again.identityBy(await again.pair(daemon.enrolment, secretText));
      const { code, by } = await node.ended;
      assert.deepEqual([by, code], ["peer", "certificate_revoked"]);
      assert.equal(await codeOf(ScriptedNode.connect(daemon.nodeRpc, identity, { transport })), "certificate_revoked");
      using _ = await ScriptedNode.connect(daemon.nodeRpc, renewed, { transport });
    },
  );
}

weakness(
  "S10",
  "a device id goes to another key only by the operator's own word, who is told of it",
  async (daemon) => {
    const { device, identity } = await paired(daemon);
    const { operator } = daemon;
    const taker = await PairingDevice.create({ identity: DeviceIdentity.generate(device.identity.deviceId) });
    // Even by a code that approves in advance.
    const { requestId, paired: letIn } = await taker.pair(
      daemon.enrolment,
      (await daemon.mint({ approve: true })).secretText,
    );
    assert.equal(letIn, false);
    const [shown] = (await operator.listPairings({ state: "pending_approval", clientKind: "", limit: 0 })).requests;
    assert.deepEqual([shown?.requestId, shown?.replacesDevice], [requestId, true]);
    assert.equal(await codeOf(operator.approvePairing({ requestId, ...plain })), "device_id_taken");
    using _ = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport: "grpc" });
    const device_ = await operator.getDevice({ deviceId: device.identity.deviceId });
    assert.equal(device_.identityFingerprint, device.identity.fingerprint, "the owner is untouched");
  },
);

weakness("S11", "a device that is revoked while it waits is not approved", async (daemon) => {
  const { device } = await paired(daemon);
  const { deviceId } = device.identity;
  const { requestId } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
  await daemon.operator.revokeDevice({ deviceId, reason: "stolen" });
  assert.equal(await codeOf(daemon.operator.approvePairing({ requestId, ...plain })), "device_revoked");
  assert.equal((await daemon.operator.getDevice({ deviceId })).status, "revoked");
});

weakness(
  "S15",
  "no code stands in the state folder or in an answer, and only its owner reads the folder",
  async (daemon) => {
    const [qr, pin] = [await daemon.mint(), await daemon.mint({ method: "pin" })];
    const { secret } = parseQrToken(qr.secretText);
    const listed = await daemon.operator.listPairings({ state: "", clientKind: "", limit: 0 });
    await daemon.stop();
    const folder = join(daemon.root, "palyrad");
    const latin1 = new TextDecoder("latin1");
    const forms = [qr.secretText, latin1.decode(secret), secret.toHex(), secret.toBase64()];
    let files = 0;
    for await (const { name, isFile } of Deno.readDir(folder)) {
      const { mode } = await Deno.stat(join(folder, name));
      assert.equal((mode ?? 0) & 0o077, 0, name);
      if (!isFile) continue;
      files++;
      const text = latin1.decode(await Deno.readFile(join(folder, name)));
      for (const form of forms) assert.ok(!text.includes(form), `${name} holds the QR secret`);
      // Six digits may well stand within a longer number.
      assert.doesNotMatch(text, new RegExp(`(?<![0-9])${pin.secretText}(?![0-9])`), `${name} holds the PIN`);
    }
    assert.ok(files > 1);
    const answer = JSON.stringify(listed);
    assert.equal(listed.codes.length, 2);
    for (const form of [...forms, pin.secretText]) assert.ok(!answer.includes(`"${form}`), "an answer holds a code");
  },
);

for (const transport of ["grpc", "quic"] as const) {
  weakness("S17", `presence tells of the session that there is, over ${transport}`, async (daemon) => {
    const { identity } = await paired(daemon);
    using node = await ScriptedNode.connect(daemon.nodeRpc, identity, { transport });
    const { connected, transport: over, remoteAddress } = await daemon.operator.getNode({ deviceId: "laptop" });
    assert.deepEqual([connected, over, remoteAddress.replace(/:\d+$/, "")], [true, transport, "127.0.0.1"]);
    await daemon.operator.revokeDevice({ deviceId: identity.deviceId, reason: "" });
    await node.ended;
    const after = await daemon.operator.getNode({ deviceId: identity.deviceId });
    assert.deepEqual([after.connected, after.transport, after.remoteAddress], [false, "", ""]);
  });
}

weakness("S18", "a desktop is no operator and no node, and a node is no operator", async (daemon) => {
  for (const clientKind of ["desktop", "node"] as const) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { identity } = await paired(daemon, { clientKind, deviceName: clientKind });
    using admin = adminClient(daemon.nodeRpc, identity);
    const mint = { method: "qr", ttlMs: 0, approve: true, clientKind: "cli" };
    const grant = { deviceId: identity.deviceId, grant: ["system.health"], deny: [] };
    const calls = [
      callUnary(admin, admin.mintPairingCode, mint),
      callUnary(admin, admin.setCapabilityGrant, grant),
      callUnary(admin, admin.revokeDevice, { deviceId: identity.deviceId, reason: "" }),
    ];
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.deepEqual(await Promise.all(calls.map(codeOf)), Array(calls.length).fill("not_an_operator"));
    if (clientKind === "node") continue;
    for (const transport of ["grpc", "quic"] as const) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await assert.rejects(
        ScriptedNode.connect(daemon.nodeRpc, identity, { transport }),
        /device_mismatch|paired as a node/,
      );
    }
    using client = nodeClient(daemon.nodeRpc, identity);
    const register = RegisterNodeRequest.create({ v: 1, deviceId: { ulid: identity.deviceId } });
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal(await codeOf(callUnary(client, client.registerNode, register)), "device_mismatch");
  }
});
