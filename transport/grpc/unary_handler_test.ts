import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import { NodeServiceService, type RegisterNodeRequest, RegisterNodeResponse } from "../../proto/gen/node.ts";
import { mutualCredentials } from "./grpc_channel.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { nodeClient } from "./testing/test_clients.ts";
import { testMaterial } from "../testing/test_material.ts";
import { callUnary } from "./unary_call.ts";
import { type CallContext, unaryHandler } from "./unary_handler.ts";

const REQUEST: RegisterNodeRequest = { v: 1, deviceId: undefined, platform: "", capabilities: [], replay: undefined };

function serving(
  handle: (request: RegisterNodeRequest, context: CallContext) => Promise<RegisterNodeResponse> | RegisterNodeResponse,
  authorize: () => PalyraError | undefined = () => undefined,
) {
  return startListener({
    services: (server) =>
      server.addService(NodeServiceService, {
        registerNode: unaryHandler<RegisterNodeRequest, RegisterNodeResponse>(authorize, handle),
      }),
  });
}

Deno.test("unaryHandler() asks authorize() at each call, on a connection that is open already", async () => {
  const { client: material } = await testMaterial();
  const verdict: { refusal?: PalyraError } = {};
  await using fixture = await serving(() => RegisterNodeResponse.create({ accepted: true }), () => verdict.refusal);
  using client = nodeClient(fixture.port, mutualCredentials(material));
  assert.equal((await callUnary(client, client.registerNode, REQUEST)).accepted, true);
  const refusal = verdict.refusal = new PalyraError("device_revoked", "This device was revoked. Ask the operator.");
  await assert.rejects(callUnary(client, client.registerNode, REQUEST), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "device_revoked");
    assert.equal(error.message, refusal.message);
    return true;
  });
  assert.equal(fixture.listener.connectionCount, 1);
});

Deno.test("unaryHandler() passes a refusal on with status, reason and sentence, and nothing of its cause", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await serving(() => {
    throw new PalyraError("queue_full", "The node's queue is full; try later.", { cause: new Error("row 17") });
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
  client.registerNode(REQUEST, resolve);
  const error = await promise;
  assert.equal(error?.code, grpc.status.RESOURCE_EXHAUSTED);
  assert.equal(error?.details, "The node's queue is full; try later.");
  assert.deepEqual(error?.metadata.get("palyra-reason"), ["queue_full"]);
  assert.ok(!JSON.stringify(error?.metadata.getMap()).includes("row 17"));
});

Deno.test("unaryHandler() hides what a handler did not mean to throw", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await serving(() => Promise.reject(new TypeError("secret of the house")));
  using client = nodeClient(fixture.port, mutualCredentials(material));
  await assert.rejects(callUnary(client, client.registerNode, REQUEST), (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "internal");
    assert.ok(!error.message.includes("secret"));
    return true;
  });
});

Deno.test("unaryHandler() aborts the signal when the caller cancels or its deadline is over", async () => {
  const { client: material } = await testMaterial();
  let called = Promise.withResolvers<AbortSignal>();
  await using fixture = await serving((_, { signal }) => {
    called.resolve(signal);
    return new Promise(() => {});
  });
  using client = nodeClient(fixture.port, mutualCredentials(material));
  const aborted = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve());
    });

  const controller = new AbortController();
  const call = callUnary(client, client.registerNode, REQUEST, { signal: controller.signal });
  const signal = await called.promise;
  controller.abort();
  await assert.rejects(call, (error) => error instanceof PalyraError && error.code === "cancelled");
  await aborted(signal);
  assert.ok(signal.reason instanceof PalyraError);

  called = Promise.withResolvers();
  await assert.rejects(
    callUnary(client, client.registerNode, REQUEST, { deadlineMs: 50 }),
    (error) => error instanceof PalyraError && error.code === "deadline_exceeded",
  );
  await aborted(await called.promise);
});
