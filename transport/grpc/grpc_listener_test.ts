import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import {
  BeginPairingSessionResponse,
  GetPairingRequestStatusResponse,
  NodeServiceService,
  type RegisterNodeRequest,
  RegisterNodeResponse,
} from "../../proto/gen/node.ts";
import { ENROLMENT_LIMITS, type ListenerLimits, NODE_RPC_LIMITS } from "../transport_limits.ts";
import { mutualCredentials, pinnedCaCredentials } from "./grpc_channel.ts";
import { GrpcListener } from "./grpc_listener.ts";
import { callServerStream } from "./server_stream_call.ts";
import { openServerStreamHandler } from "./server_stream_handler.ts";
import { type ListenerFixture, startListener } from "./testing/listener_fixture.ts";
import { connectRaw } from "./testing/raw_tls_client.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { testMaterial } from "../testing/test_material.ts";
import type { TestIdentity } from "../testing/test_pki.ts";
import type { FrontMode } from "./tls_front.ts";
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

/** An enrolment listener; its WatchPairingRequest waits for `decision`. */
function startEnrolment(
  limits: Partial<ListenerLimits> = {},
  decision: Promise<void> = Promise.resolve(),
): Promise<ListenerFixture> {
  return startListener({
    mode: { kind: "server-only" },
    limits: { ...ENROLMENT_LIMITS, ...limits },
    services: (server) =>
      server.addService(NodeServiceService, {
        beginPairingSession: openUnaryHandler(() => BeginPairingSessionResponse.create()),
        watchPairingRequest: openServerStreamHandler(async function* () {
          yield GetPairingRequestStatusResponse.create({ reason: "waiting" });
          await decision;
          yield GetPairingRequestStatusResponse.create({ reason: "decided" });
        }),
      }),
  });
}

/** An HTTP/2 client that is no gRPC client. */
function rawSession(port: number, identity?: TestIdentity): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    ...(identity === undefined ? {} : { cert: identity.certificatePem, key: identity.keyPem }),
  });
  session.on("error", () => {});
  return session;
}

/** Resolves at the end of a session, however it came about. */
function closeOf(session: http2.ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => session.once("close", resolve));
}

/** A call whose request is not ended. */
function rawCall(session: http2.ClientHttp2Session, method: string): http2.ClientHttp2Stream {
  const call = session.request({
    ":method": "POST",
    ":path": `/palyra.node.v1.NodeService/${method}`,
    "content-type": "application/grpc",
    "te": "trailers",
  });
  call.on("error", () => {});
  return call;
}

/** The first bytes of a message that says it has `length` bytes (gRPC over HTTP/2, "Length-Prefixed-Message"). */
function messageStart(length: number): Uint8Array {
  const bytes = new Uint8Array(5);
  new DataView(bytes.buffer).setUint32(1, length);
  return bytes;
}

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

Deno.test("GrpcListener has the limits of strangers without client certificates, of devices with them", async () => {
  const settingsOf = async (mode: FrontMode["kind"]) => {
    const { clientIdentity } = await testMaterial();
    await using fixture = await startListener({
      mode: mode === "mutual" ? { kind: mode, authorize: () => undefined } : { kind: mode },
      services: () => {},
    });
    const session = rawSession(fixture.port, mode === "mutual" ? clientIdentity : undefined);
    const [{ maxConcurrentStreams }] = await once(session, "remoteSettings") as [http2.Settings];
    session.destroy();
    return maxConcurrentStreams;
  };
  assert.equal(await settingsOf("server-only"), ENROLMENT_LIMITS.maxConcurrentStreams);
  assert.equal(await settingsOf("mutual"), NODE_RPC_LIMITS.maxConcurrentStreams);
});

Deno.test("GrpcListener for strangers refuses a message of over 64 KiB by its length alone", async () => {
  await using fixture = await startEnrolment();
  const session = rawSession(fixture.port);
  const call = rawCall(session, "BeginPairingSession");
  // No more than the length prefix is ever sent.
  call.write(messageStart(64 * 1024 + 1));
  const [headers] = await once(call, "response") as [http2.IncomingHttpHeaders];
  assert.equal(headers["grpc-status"], String(grpc.status.RESOURCE_EXHAUSTED));
  session.destroy();
});

Deno.test("GrpcListener for strangers lets eight connections of one source in", async () => {
  await using fixture = await startEnrolment();
  const sessions = Array.from({ length: ENROLMENT_LIMITS.maxConnectionsPerAddress }, () => rawSession(fixture.port));
  await Promise.all(sessions.map((session) => once(session, "remoteSettings")));
  assert.equal((await connectRaw(fixture.port)).answered, false);
  assert.deepEqual(fixture.refusals.map(({ code }) => code), ["connection_limit"]);
  for (const session of sessions) session.destroy();
});

const UNFINISHED: { name: string; method: string; promisedBytes: number }[] = [
  { name: "a unary request", method: "BeginPairingSession", promisedBytes: 100 },
  { name: "the request of a stream", method: "WatchPairingRequest", promisedBytes: 100 },
  { name: "a request that was refused", method: "BeginPairingSession", promisedBytes: 2 ** 30 },
];

for (const { name, method, promisedBytes } of UNFINISHED) {
  Deno.test(`GrpcListener for strangers drops a connection on which ${name} stays unfinished`, async () => {
    await using fixture = await startEnrolment({ requestTimeoutMs: 50 });
    const session = rawSession(fixture.port);
    const closed = closeOf(session);
    rawCall(session, method).write(messageStart(promisedBytes));
    await closed;
  });
}

Deno.test("GrpcListener for strangers drops a connection that sends more than one message on a call", async () => {
  await using fixture = await startEnrolment({ requestTimeoutMs: 600_000 });
  for (const method of ["BeginPairingSession", "WatchPairingRequest"]) {
    const session = rawSession(fixture.port);
    const closed = closeOf(session);
    const call = rawCall(session, method);
    let answered = false;
    call.on("response", () => answered = true);
    // An empty message, and the first byte of the next; in pieces, as they may come.
    call.write(messageStart(0).subarray(0, 2));
    call.write(Uint8Array.of(...messageStart(0).subarray(2), 0));
    // deno-lint-ignore no-await-in-loop -- one call after the other
    await closed;
    assert.equal(answered, false);
  }
});

Deno.test("GrpcListener for strangers keeps a stream whose request is complete", async () => {
  const { ca } = await testMaterial();
  const answer = Promise.withResolvers<void>();
  await using fixture = await startEnrolment({ requestTimeoutMs: 50 }, answer.promise);
  using client = nodeClient(fixture.port, pinnedCaCredentials([ca.certificatePem]));
  const request = { v: 1, sessionId: "s", deviceId: undefined, replay: undefined };
  const watch = callServerStream(client, client.watchPairingRequest, request);
  assert.equal((await watch.next()).value?.reason, "waiting");
  // The time of this one begins later, and when it is over the other's would be too.
  const session = rawSession(fixture.port);
  const closed = closeOf(session);
  rawCall(session, "BeginPairingSession").write(messageStart(100));
  await closed;
  answer.resolve();
  assert.equal((await watch.next()).value?.reason, "decided");
  await watch.return();
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
