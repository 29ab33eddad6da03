import assert from "node:assert/strict";
import { Client, type ClientUnaryCall, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock, unixMs } from "../identity/unix_ms.ts";
import { AdminServiceService } from "../proto/gen/admin.ts";
import { Hello, NodeEventRequest, NodeServiceClient, RegisterNodeRequest } from "../proto/gen/node.ts";
import { channelOptions, channelTarget, pinnedCaCredentials } from "../transport/grpc/grpc_channel.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import type { NodeSession, SessionEnd } from "../transport/session.ts";
import { Fleet } from "./harness/fleet.ts";
import {
  adminClient,
  credentialsOf,
  forge,
  identityOf,
  nodeClient,
  stolenCa,
  type TestIdentity,
} from "./harness/paired_device.ts";

const DAY_MS = 24 * 3_600_000;
const never = new AbortController().signal;

/** A daemon with one node that is paired; `use` is what a hostile peer does, and the daemon must serve on after it. */
function against(name: string, use: (fleet: Fleet, nodeRpc: string, node: TestIdentity) => Promise<void>): void {
  Deno.test(`a daemon serves on after ${name}`, CHANNEL_LEFTOVERS, async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc } = await fleet.startDaemon();
    await fleet.pair("laptop");
    const node = await identityOf(fleet, "laptop");
    await use(fleet, nodeRpc, node);
    const session = await dial(nodeRpc, node);
    assert.equal((await welcome(session, hello(node))).kind, "welcome");
    session.close("shutting_down", "done");
    await session.closed;
  });
}

function hello({ deviceId }: TestIdentity): NodeEventRequest {
  const value = Hello.create({ deviceId: { ulid: deviceId }, platform: "test", instanceId: "test" });
  return NodeEventRequest.create({ v: 1, message: { $case: "hello", value } });
}

async function dial(nodeRpc: string, identity: TestIdentity): Promise<NodeSession> {
  const { caPem, certificatePem, keyPem } = identity;
  const dialer = new GrpcDialer({
    endpoint: parseEndpoint(nodeRpc),
    material: () => ({ caPem: [caPem], certificatePem, keyPem }),
  });
  return await dialer.dial(never);
}

/** Says `first` and waits for the Welcome or the end. */
async function welcome(
  session: NodeSession,
  first: NodeEventRequest,
): Promise<{ kind: "welcome" } | { kind: "ended"; end: SessionEnd }> {
  const welcomed = new Promise<{ kind: "welcome" }>((resolve) => {
    session.onMessage = ({ message }) => message?.$case === "welcome" && resolve({ kind: "welcome" });
  });
  session.send(first);
  return await Promise.race([welcomed, session.closed.then((end) => ({ kind: "ended" as const, end }))]);
}

async function endOf(session: NodeSession, first: NodeEventRequest): Promise<SessionEnd> {
  const outcome = await welcome(session, first);
  assert.equal(outcome.kind, "ended");
  return outcome.kind === "ended" ? outcome.end : assert.fail();
}

async function isRefused(nodeRpc: string, identity: TestIdentity, code: string): Promise<void> {
  await assert.rejects(dial(nodeRpc, identity), (thrown) => {
    assert.ok(thrown instanceof PalyraError && thrown.code === code, `${thrown}`);
    return true;
  });
}

against("certificates of a foreign CA with the same names", async (_, nodeRpc, node) => {
  const foreign = await CertificateAuthority.create({ clock: systemClock });
  await isRefused(nodeRpc, await forge(foreign, node.caPem, { deviceId: node.deviceId }), "certificate_untrusted");
});

against("an expired and a not yet valid certificate", async (fleet, nodeRpc, node) => {
  // A CA that lives a day earlier issues what has expired since; one that lives a day later, what is not valid yet.
  const yesterday = await stolenCa(fleet, () => unixMs(systemClock() - DAY_MS));
  const expired = await forge(yesterday, node.caPem, { deviceId: node.deviceId, validityMs: 1_000 });
  await isRefused(nodeRpc, expired, "certificate_expired");
  const tomorrow = await stolenCa(fleet, () => unixMs(systemClock() + DAY_MS));
  const early = await forge(tomorrow, node.caPem, { deviceId: node.deviceId });
  await isRefused(nodeRpc, early, "certificate_not_yet_valid");
});

Deno.test(
  "a node whose certificate has expired is refused and told so, and pairs again",
  CHANNEL_LEFTOVERS,
  async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc } = await fleet.startDaemon([], { PALYRA_CERTIFICATE_VALIDITY_MS: "4000" });
    const { secret_text: token } = await fleet.palyrad("pairing", "code", "--approve");
    const { secret_text: second } = await fleet.palyrad("pairing", "code", "--approve");
    const paired = await fleet.node("laptop", ["pair", token]);
    assert.equal(paired.code, 0, paired.stderr);
    const node = await identityOf(fleet, "laptop");
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    await isRefused(nodeRpc, node, "certificate_expired");
    const again = await fleet.node("laptop", ["pair", second, "--force"]);
    assert.equal(again.code, 0, again.stderr);
  },
);

against("a good certificate that the daemon never issued to a device it knows", async (fleet, nodeRpc, node) => {
  const ca = await stolenCa(fleet);
  await isRefused(nodeRpc, await forge(ca, node.caPem), "device_unknown");
  // Nor does the name of a known device, or of an operator, help: it is the certificate that is known.
  await isRefused(nodeRpc, await forge(ca, node.caPem, { deviceId: node.deviceId }), "device_unknown");
  using admin = adminClient(nodeRpc, await forge(ca, node.caPem, { clientKind: "cli" }));
  await assert.rejects(callUnary(admin, admin.listNodes, { afterDeviceId: "" }));
});

against("the server's own certificate shown by a client", async (fleet, nodeRpc, node) => {
  const ca = await stolenCa(fleet);
  const server = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: DAY_MS });
  const { certificatePem, privateKeyPem } = server;
  await isRefused(nodeRpc, { ...node, certificatePem, keyPem: privateKeyPem }, "certificate_untrusted");
});

against("a peer without a certificate", async (_, nodeRpc, node) => {
  const client = new NodeServiceClient(
    channelTarget(parseEndpoint(nodeRpc)),
    pinnedCaCredentials([node.caPem]),
    channelOptions(),
  );
  const request = RegisterNodeRequest.create({ v: 1, deviceId: { ulid: node.deviceId } });
  await assert.rejects(callUnary(client, client.registerNode, request), PalyraError);
  client.close();
});

against("a node that tries every method of an operator", async (_, nodeRpc, node) => {
  const client = new Client(channelTarget(parseEndpoint(nodeRpc)), credentialsOf(node), channelOptions());
  const methods = Object.values(AdminServiceService);
  assert.ok(methods.length >= 16);
  for (const { path } of methods) {
    // deno-lint-ignore no-await-in-loop -- one call after the other
    const refused = await failure(client, path);
    assert.equal(refused.code, status.PERMISSION_DENIED, path);
    assert.deepEqual(refused.metadata.get("palyra-reason"), ["not_an_operator"], path);
  }
  client.close();
});

against("a node that speaks for another device", async (fleet, nodeRpc, node) => {
  await fleet.pair("server");
  const other = await identityOf(fleet, "server");
  assert.equal((await endOf(await dial(nodeRpc, node), hello(other))).code, "device_mismatch");
  using client = nodeClient(nodeRpc, node);
  const deviceId = { ulid: other.deviceId };
  const isMismatch = (thrown: unknown) => thrown instanceof PalyraError && thrown.code === "device_mismatch";
  await assert.rejects(
    callUnary(client, client.registerNode, RegisterNodeRequest.create({ v: 1, deviceId })),
    isMismatch,
  );
  await assert.rejects(
    callUnary(client, client.revokeDevicePairing, { v: 1, deviceId, reason: "", replay: undefined }),
    isMismatch,
  );
  const execute = { v: 1, deviceId, capability: "echo", inputJson: new Uint8Array(), maxPayloadBytes: 0 };
  await assert.rejects(callUnary(client, client.executeCapability, execute), isMismatch);
});

against("a node that says nothing sensible first", async (_, nodeRpc, node) => {
  const heartbeat = NodeEventRequest.create({ v: 1, message: { $case: "heartbeat", value: {} } });
  const early = NodeEventRequest.create({
    v: 1,
    message: {
      $case: "result",
      value: {
        attempt: { requestId: { ulid: newDeviceId() }, attempt: 1 },
        success: true,
        outputJson: new Uint8Array(),
        errorCode: "",
        error: "",
      },
    },
  });
  for (const first of [heartbeat, early, NodeEventRequest.create({ v: 1, eventName: "hi" })]) {
    // deno-lint-ignore no-await-in-loop -- one session after the other, each replaces the one before
    assert.equal((await endOf(await dial(nodeRpc, node), first)).code, "protocol_mismatch");
  }
});

against("calls for the wrong listener, unknown methods and oversized messages", async (fleet, nodeRpc, node) => {
  using client = nodeClient(nodeRpc, node);
  const begin = { v: 1, clientKind: "node", method: undefined, replay: undefined };
  await assert.rejects(
    callUnary(client, client.beginPairingSession, begin),
    (thrown) => thrown instanceof PalyraError && thrown.code === "wrong_listener",
  );
  const raw = new Client(channelTarget(parseEndpoint(nodeRpc)), credentialsOf(node), channelOptions());
  assert.equal((await failure(raw, "/palyra.node.v1.NodeService/NoSuchMethod")).code, status.UNIMPLEMENTED);
  assert.equal((await failure(raw, "/no.such.Service/Method")).code, status.UNIMPLEMENTED);
  const garbage = new Uint8Array(64).fill(0xff);
  assert.notEqual((await failure(raw, "/palyra.node.v1.NodeService/RegisterNode", garbage)).code, status.OK);
  raw.close();
  const large = new Client(channelTarget(parseEndpoint(nodeRpc)), credentialsOf(node), {
    ...channelOptions(),
    "grpc.max_send_message_length": -1,
  });
  const oversized = new Uint8Array(5 * 1024 * 1024);
  const refused = await failure(large, "/palyra.node.v1.NodeService/RegisterNode", oversized);
  assert.equal(refused.code, status.RESOURCE_EXHAUSTED);
  large.close();

  // The enrolment listener has pairing and nothing else.
  const { enrolment } = JSON.parse(await fleet.daemon.line((line) => line.startsWith('{"event":"ready"')));
  const open = new NodeServiceClient(
    channelTarget(parseEndpoint(enrolment)),
    pinnedCaCredentials([node.caPem]),
    channelOptions(),
  );
  await assert.rejects(
    callUnary(open, open.registerNode, RegisterNodeRequest.create({ v: 1, deviceId: { ulid: node.deviceId } })),
    (thrown) => thrown instanceof PalyraError && thrown.code === "wrong_listener",
  );
  open.close();
  const administration = new Client(
    channelTarget(parseEndpoint(enrolment)),
    pinnedCaCredentials([node.caPem]),
    channelOptions(),
  );
  assert.equal((await failure(administration, "/palyra.admin.v1.AdminService/ListNodes")).code, status.UNIMPLEMENTED);
  administration.close();
});

function failure(client: Client, path: string, payload: Uint8Array = new Uint8Array()): Promise<ServiceError> {
  return new Promise((resolve, reject) => {
    const call: ClientUnaryCall = client.makeUnaryRequest(
      path,
      (bytes: Uint8Array) => Buffer.from(bytes),
      (bytes: Uint8Array) => bytes,
      payload,
      new Metadata(),
      { deadline: Date.now() + 10_000 },
      (error) => error === null ? reject(new Error(`${path} was answered`)) : resolve(error),
    );
    call.on("error", () => {});
  });
}
