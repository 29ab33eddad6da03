import assert from "node:assert/strict";
import { Client, Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { CertificateAuthority } from "../identity/certificate_authority.ts";
import { signRecovery } from "../identity/device_recovery.ts";
import type { CanonicalUlid } from "../identity/device_id.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { systemClock } from "../identity/unix_ms.ts";
import { AdminServiceService } from "../proto/gen/admin.ts";
import { NodeServiceClient, NodeServiceService, RegisterNodeRequest } from "../proto/gen/node.ts";
import type { ClientTlsMaterial } from "../transport/client_tls_material.ts";
import {
  channelOptions,
  channelTarget,
  mutualCredentials,
  pinnedCaCredentials,
} from "../transport/grpc/grpc_channel.ts";
import { GrpcDialer } from "../transport/grpc/grpc_dialer.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { QuicDialer } from "../transport/quic/quic_dialer.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { forge } from "./harness/paired_device.ts";
import { PairingDevice } from "./harness/pairing_device.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";

const EMPTY = new Uint8Array();

/** What a call of a method with an empty request ends with. */
function refusalOf(client: Client, path: string): Promise<ServiceError> {
  const bytes = (message: Uint8Array) => Buffer.from(message);
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + 10_000;
    client.makeUnaryRequest(path, bytes, bytes, EMPTY, new Metadata(), { deadline }, (error) => {
      if (error === null) reject(new Error(`${path} was served`));
      else resolve(error);
    });
  });
}

const pathsOf = (service: object): string[] => Object.values(service).map(({ path }) => path);

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(() => "served", (thrown) => PalyraError.from(thrown).code);
}

/** Whom a device without a certificate can pass itself off as: with the certificates it can make by itself. */
async function disguises(daemon: InProcessDaemon, device: PairingDevice, caPem: string) {
  const foreign = await CertificateAuthority.create({ clock: systemClock });
  const { deviceId } = device.identity;
  const node = await forge(foreign, caPem, { deviceId });
  const operator = await forge(foreign, caPem, { deviceId, clientKind: "cli" });
  const [local] = (await daemon.operator.listDevices({ includeRevoked: false, afterDeviceId: "" })).devices;
  const stolenName = await forge(foreign, caPem, {
    deviceId: (local?.deviceId ?? assert.fail()) as typeof deviceId,
    clientKind: "cli",
  });
  return { node, operator, stolenName };
}

/** Tries everything that a paired device may do, on every listener, as one that is not let in; nothing may be served. */
async function assertPowerless(
  daemon: InProcessDaemon,
  device: PairingDevice,
  requestId: string,
  caPem: string,
): Promise<void> {
  const { deviceId } = device.identity;
  const node = parseEndpoint(daemon.nodeRpc);

  // Sessions, over both transports.
  for (const identity of Object.values(await disguises(daemon, device, caPem))) {
    const material = (): ClientTlsMaterial => ({
      caPem: [identity.caPem],
      certificatePem: identity.certificatePem,
      keyPem: identity.keyPem,
    });
    for (const dialer of [new GrpcDialer({ endpoint: node, material }), new QuicDialer({ endpoint: node, material })]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const code = await codeOf(dialer.dial(AbortSignal.timeout(10_000)));
      assert.ok(["certificate_untrusted", "device_unknown"].includes(code), `${dialer.transport}: ${code}`);
    }
    // Every call of a node and of an operator: events, requests, capabilities, codes.
    const client = new Client(channelTarget(node), mutualCredentials(material()), channelOptions());
    for (const path of [...pathsOf(NodeServiceService), ...pathsOf(AdminServiceService)]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal((await refusalOf(client, path)).code, status.UNAVAILABLE, path);
    }
    client.close();
  }
  const bare = new Client(channelTarget(node), pinnedCaCredentials([caPem]), channelOptions());
  for (const path of [...pathsOf(NodeServiceService), ...pathsOf(AdminServiceService)]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal((await refusalOf(bare, path)).code, status.UNAVAILABLE, path);
  }
  bare.close();

  // The enrolment listener pairs and recovers, and nothing else; it knows no operators.
  const enrolment = new Client(
    channelTarget(parseEndpoint(daemon.enrolment)),
    pinnedCaCredentials([caPem]),
    channelOptions(),
  );
  for (const path of pathsOf(AdminServiceService)) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal((await refusalOf(enrolment, path)).code, status.UNIMPLEMENTED, path);
  }
  enrolment.close();
  using stranger = enrolmentClient(daemon, caPem);
  const own = { v: 1, deviceId: { ulid: deviceId } };
  const execute = { ...own, capability: "echo", inputJson: EMPTY, maxPayloadBytes: 0 };
  const csrDer = await createCertificateRequest({ deviceId, tlsKey: device.tlsKey });
  for (
    const call of [
      () => callUnary(stranger, stranger.registerNode, RegisterNodeRequest.create(own)),
      () => callUnary(stranger, stranger.executeCapability, execute),
      () => callUnary(stranger, stranger.rotateDeviceCertificate, { ...own, csrDer, replay: undefined }),
      () => callUnary(stranger, stranger.revokeDevicePairing, { ...own, reason: "", replay: undefined }),
    ]
  ) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    assert.equal(await codeOf(call()), "wrong_listener");
  }
  assert.equal(await codeOf(recover(daemon, stranger, device, csrDer)), "device_unknown");

  // Whoever knows the ids and has no key of the device learns nothing of the request.
  const thief = await PairingDevice.create();
  using connection = await thief.connect(daemon.enrolment);
  const question = { ...thief.statusRequest(requestId), deviceId: { ulid: deviceId } };
  assert.equal(await codeOf(callUnary(stranger, stranger.getPairingRequestStatus, question)), "pairing_proof_failed");
  assert.equal(await codeOf(thief.statusOver(connection, requestId)), "pairing_not_found");

  // Nor can an operator have it do anything.
  const { operator } = daemon;
  assert.equal(await codeOf(operator.submit({ deviceId, capability: "echo" })), "node_not_found");
  assert.equal(await codeOf(operator.getDevice({ deviceId })), "device_not_found");
  assert.equal(await codeOf(operator.readEvents({ deviceId, follow: false }).next()), "node_not_found");
  assert.equal(
    await codeOf(operator.setCapabilityGrant({ deviceId, grant: ["echo"], deny: [] })),
    "node_not_found",
  );
}

function enrolmentClient(daemon: InProcessDaemon, caPem: string): NodeServiceClient & Disposable {
  const target = channelTarget(parseEndpoint(daemon.enrolment));
  const client = new NodeServiceClient(target, pinnedCaCredentials([caPem]), channelOptions());
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** The recovery that a paired device with this key would be granted. */
async function recover(
  daemon: InProcessDaemon,
  client: NodeServiceClient,
  { identity, connect }: PairingDevice,
  csrDer: Uint8Array,
): Promise<unknown> {
  const { deviceId } = identity;
  const begun = await callUnary(client, client.beginDeviceRecovery, { v: 1, deviceId: { ulid: deviceId } });
  using connection = await connect(daemon.enrolment);
  const recoveryId = begun.recoveryId as CanonicalUlid;
  const signature = signRecovery(identity, {
    ...connection.observed,
    recoveryId,
    challenge: begun.challenge,
    deviceId,
    csrDer,
  });
  return await callUnary(client, client.completeDeviceRecovery, {
    v: 1,
    recoveryId,
    deviceId: { ulid: deviceId },
    csrDer,
    signature,
  });
}

Deno.test(
  "a device that has proved a code can do nothing on any listener before it is approved",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    const device = await PairingDevice.create();
    const { secretText } = await daemon.mint();
    const { requestId, ...answer } = await device.pair(daemon.enrolment, secretText);
    assert.deepEqual([answer.paired, answer.mtlsClientCertificatePem, answer.reason], [false, "", "pending_approval"]);
    const caPem = answer.gatewayCaCertificatePem;
    await assertPowerless(daemon, device, requestId, caPem);

    const decision = { requestId, reason: "", replace: false, only: undefined };
    await daemon.operator.approvePairing(decision);
    const approved = await device.identityBy(await device.status(daemon.enrolment, requestId));
    using node = await ScriptedNode.connect(daemon.nodeRpc, approved, { transport: "grpc" });
    assert.ok(node.received.some(({ $case }) => $case === "welcome"), "and then it can");
  },
);

Deno.test("a device that was rejected can do no more than before", CHANNEL_LEFTOVERS, async () => {
  await using daemon = await InProcessDaemon.start();
  const device = await PairingDevice.create();
  const { requestId, gatewayCaCertificatePem } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
  await daemon.operator.rejectPairing({ requestId, reason: "unknown", replace: false, only: undefined });
  await assertPowerless(daemon, device, requestId, gatewayCaCertificatePem);
  assert.equal((await device.status(daemon.enrolment, requestId)).status, "rejected");
});
