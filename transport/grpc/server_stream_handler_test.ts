import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import {
  type GetPairingRequestStatusRequest,
  GetPairingRequestStatusResponse,
  NodeServiceService,
} from "../../proto/gen/node.ts";
import { mutualCredentials } from "./grpc_channel.ts";
import { callServerStream } from "./server_stream_call.ts";
import { serverStreamHandler } from "./server_stream_handler.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { testMaterial } from "../testing/test_material.ts";
import type { CallContext } from "./unary_handler.ts";

const REQUEST: GetPairingRequestStatusRequest = { v: 1, sessionId: "s", deviceId: undefined, replay: undefined };

type Handle = (
  request: GetPairingRequestStatusRequest,
  context: CallContext,
) => AsyncIterable<GetPairingRequestStatusResponse>;

function serving(handle: Handle, authorize: () => PalyraError | undefined = () => undefined) {
  return startListener({
    services: (server) =>
      server.addService(NodeServiceService, { watchPairingRequest: serverStreamHandler(authorize, handle) }),
  });
}

function answer(reason: string): GetPairingRequestStatusResponse {
  return GetPairingRequestStatusResponse.create({ reason });
}

async function reasonsOf(stream: AsyncIterable<GetPairingRequestStatusResponse>): Promise<string[]> {
  return await Array.fromAsync(stream, ({ reason }) => reason);
}

Deno.test("serverStreamHandler() sends what the handler yields, in order, and ends", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await serving(async function* ({ sessionId }) {
    await Promise.resolve();
    for (let number = 0; number < 200; number++) yield answer(`${sessionId}${number}`);
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const reasons = await reasonsOf(callServerStream(client, client.watchPairingRequest, REQUEST));
  assert.deepEqual(reasons, Array.from({ length: 200 }, (_, number) => `s${number}`));
});

Deno.test("serverStreamHandler() refuses before the handler runs, and after it has begun", async () => {
  const { client: material } = await testMaterial();
  let refusal: PalyraError | undefined = new PalyraError("device_unknown", "Pair this device first.");
  await using fixture = await serving(
    async function* () {
      yield await Promise.resolve(answer("first"));
      throw new PalyraError("pairing_expired", "The request expired. Pair again.");
    },
    () => refusal,
  );
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const watch = () => callServerStream(client, client.watchPairingRequest, REQUEST);
  await assert.rejects(
    reasonsOf(watch()),
    (error) => error instanceof PalyraError && error.code === "device_unknown",
  );
  refusal = undefined;
  const stream = watch();
  assert.equal((await stream.next()).value?.reason, "first");
  await assert.rejects(stream.next(), (error) => error instanceof PalyraError && error.code === "pairing_expired");
});

Deno.test("serverStreamHandler() waits for a caller that does not read and goes on when it does", async () => {
  const { client: material } = await testMaterial();
  const text = "x".repeat(64 * 1024);
  let yielded = 0;
  await using fixture = await serving(async function* () {
    await Promise.resolve();
    for (; yielded < 200; yielded++) yield answer(text);
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const stream = callServerStream(client, client.watchPairingRequest, REQUEST);
  await stream.next();
  // 200 turns of the event loop are ample for a handler that nothing holds back.
  for (let turn = 0; turn < 200; turn++) {
    // deno-lint-ignore no-await-in-loop -- turns of the event loop
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(yielded < 200, `all ${yielded} were taken from the handler`);
  assert.equal((await reasonsOf(stream)).length, 199);
});

Deno.test("serverStreamHandler() aborts the handler's signal when the caller leaves its loop", async () => {
  const { client: material } = await testMaterial();
  const ended = Promise.withResolvers<void>();
  await using fixture = await serving(async function* (_, { signal }) {
    yield answer("first");
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    ended.resolve();
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  for await (const { reason } of callServerStream(client, client.watchPairingRequest, REQUEST)) {
    assert.equal(reason, "first");
    break;
  }
  await ended.promise;
});

Deno.test("callServerStream() ends with cancelled when its signal fires, before and during the stream", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await serving(async function* (_, { signal }) {
    yield answer("first");
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const controller = new AbortController();
  const { signal } = controller;
  const stream = callServerStream(client, client.watchPairingRequest, REQUEST, { signal });
  await stream.next();
  const isCancelled = (error: unknown) => error instanceof PalyraError && error.code === "cancelled";
  const next = assert.rejects(stream.next(), isCancelled);
  controller.abort();
  await next;
  await assert.rejects(
    callServerStream(client, client.watchPairingRequest, REQUEST, { signal }).next(),
    isCancelled,
  );
});
