import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import { NodeServiceService, type RegisterNodeRequest, RegisterNodeResponse } from "../../proto/gen/node.ts";
import { mutualCredentials, pinnedCaCredentials } from "./grpc_channel.ts";
import { GrpcListener } from "./grpc_listener.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { connectRaw } from "./testing/raw_tls_client.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { testMaterial } from "./testing/test_material.ts";
import { callUnary } from "./unary_call.ts";
import { openUnaryHandler, unaryHandler } from "./unary_handler.ts";

const REQUEST: RegisterNodeRequest = {
  v: 1,
  deviceId: undefined,
  platform: "linux-x86_64",
  capabilities: [],
  replay: undefined,
};

/** Answers with who called from where. */
const sayPeer = unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(
  () => undefined,
  (_, { peer, remoteAddress }) => RegisterNodeResponse.create({ reason: `${peer.fingerprint} ${remoteAddress}` }),
);

Deno.test("GrpcListener serves a paired client and knows its certificate and address", async () => {
  const { client: material, clientIdentity } = await testMaterial();
  await using fixture = await startListener({
    services: (server) => server.addService(NodeServiceService, { registerNode: sayPeer }),
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const { reason } = await callUnary(client, client.registerNode, REQUEST);
  assert.match(reason, new RegExp(`^${clientIdentity.fingerprint} 127\\.0\\.0\\.1:\\d+$`));
  assert.deepEqual(fixture.refusals, []);
});

Deno.test("GrpcListener without client certificates serves anyone who trusts its CA", async () => {
  const { ca } = await testMaterial();
  await using fixture = await startListener({
    mode: { kind: "server-only" },
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: openUnaryHandler<RegisterNodeRequest, RegisterNodeResponse>((request) =>
          RegisterNodeResponse.create({ reason: request.platform })
        ),
        // A handler that needs a certificate finds none here.
        executeCapability: unaryHandler<unknown, never>(() => undefined, () => assert.fail("must not run")),
      }),
  });
  using client = nodeClient(fixture.port, pinnedCaCredentials([ca.certificatePem]));
  const { reason } = await callUnary(client, client.registerNode, REQUEST);
  assert.equal(reason, "linux-x86_64");
  const execute = { v: 1, deviceId: undefined, capability: "echo", inputJson: new Uint8Array(), maxPayloadBytes: 0 };
  await assert.rejects(
    callUnary(client, client.executeCapability, execute),
    (error) => error instanceof PalyraError && error.code === "certificate_missing",
  );
});

Deno.test("GrpcListener closes connections by fingerprint, with the calls on them", async () => {
  const { client: material, clientIdentity } = await testMaterial();
  const called = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  await using fixture = await startListener({
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(() => undefined, (_, { signal }) => {
          signal.addEventListener("abort", () => gone.resolve());
          called.resolve();
          return new Promise(() => {});
        }),
      }),
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const call = callUnary(client, client.registerNode, REQUEST);
  await called.promise;
  assert.equal(fixture.listener.closeConnections(clientIdentity.fingerprint), 1);
  await assert.rejects(call, (error) => error instanceof PalyraError && error.code === "connection_lost");
  await gone.promise;
});

Deno.test("GrpcListener refuses messages over 4 MiB and calls it does not know, and goes on", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await startListener({
    services: (server) => server.addService(NodeServiceService, { registerNode: sayPeer }),
  });
  using client = nodeClient(fixture.port, mutualCredentials(material), { "grpc.max_send_message_length": -1 });
  const tooLarge = { ...REQUEST, platform: "x".repeat(4 * 1024 * 1024) };
  await assert.rejects(
    callUnary(client, client.registerNode, tooLarge),
    (error) => error instanceof PalyraError && error.code === "message_too_large",
  );
  const { path, requestSerialize, responseDeserialize } = NodeServiceService.registerNode;
  const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
  client.makeUnaryRequest(`${path}Not`, requestSerialize, responseDeserialize, REQUEST, resolve);
  assert.equal((await promise)?.code, grpc.status.UNIMPLEMENTED);
  assert.ok((await callUnary(client, client.registerNode, REQUEST)).reason.length > 0);
});

Deno.test("GrpcListener.close() lets a running call finish and refuses new connections", async () => {
  const { client: material } = await testMaterial();
  const called = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<RegisterNodeResponse>();
  await using fixture = await startListener({
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(() => undefined, () => {
          called.resolve();
          return answer.promise;
        }),
      }),
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const call = callUnary(client, client.registerNode, REQUEST);
  await called.promise;
  const closed = fixture.listener.close({ graceMs: 60_000 });
  assert.equal((await connectRaw(fixture.port)).answered, false);
  answer.resolve(RegisterNodeResponse.create({ accepted: true }));
  assert.equal((await call).accepted, true);
  await closed;
  assert.equal(fixture.listener.connectionCount, 0);
});

Deno.test("GrpcListener.close() drops calls that outlast the grace", async () => {
  const { client: material } = await testMaterial();
  const called = Promise.withResolvers<void>();
  await using fixture = await startListener({
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(() => undefined, () => {
          called.resolve();
          return new Promise(() => {});
        }),
      }),
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const call = callUnary(client, client.registerNode, REQUEST);
  await called.promise;
  const rejected = assert.rejects(call, PalyraError);
  await fixture.listener.close({ graceMs: 20 });
  await rejected;
});

Deno.test("GrpcListener.start() rejects with listen_failed for a port in use and an address of another machine", async () => {
  await using first = await startListener({ services: () => {} });
  const failsWith = (pattern: RegExp) => (error: unknown) =>
    error instanceof PalyraError && error.code === "listen_failed" && pattern.test(error.message);
  await assert.rejects(
    startListener({ services: () => {}, port: first.port }),
    failsWith(new RegExp(`Port ${first.port} on 127\\.0\\.0\\.1 is in use`)),
  );
  await assert.rejects(
    startListener({ services: () => {}, hostname: "192.0.2.1" }),
    failsWith(/no address 192\.0\.2\.1/),
  );
});

Deno.test("GrpcListener.start() leaves nothing open when registering the services fails", async () => {
  const { server: tls } = await testMaterial();
  const failure = new Error("no such service");
  await assert.rejects(
    GrpcListener.start({
      hostname: "127.0.0.1",
      port: 0,
      mode: { kind: "server-only" },
      tls,
      services: () => {
        throw failure;
      },
      onRefused: () => {},
    }),
    failure,
  );
});
