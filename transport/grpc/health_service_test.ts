import assert from "node:assert/strict";
import * as grpc from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import { HealthCheckResponse_ServingStatus as ServingStatus } from "../../proto/gen/health.ts";
import type { PeerCertificate } from "../session.ts";
import { mutualCredentials } from "./grpc_channel.ts";
import { addHealthService, HealthState } from "./health_service.ts";
import { callServerStream } from "./server_stream_call.ts";
import { startListener } from "./testing/listener_fixture.ts";
import { disposableHealthClient } from "./testing/test_clients.ts";
import { testMaterial } from "../testing/test_material.ts";
import { callUnary } from "./unary_call.ts";

Deno.test("addHealthService() tells the state, and its changes to those who watch", async () => {
  const { client: material } = await testMaterial();
  const health = new HealthState();
  await using fixture = await startListener({
    services: (server) => addHealthService(server, health, ["known.Service"]),
  });
  using client = disposableHealthClient(fixture.port, mutualCredentials(material));
  const statusOf = async (service: string) => (await callUnary(client, client.check, { service })).status;
  assert.equal(await statusOf(""), ServingStatus.NOT_SERVING);

  const watch = callServerStream(client, client.watch, { service: "known.Service" });
  const next = async () => (await watch.next()).value?.status;
  assert.equal(await next(), ServingStatus.NOT_SERVING);
  health.setServing();
  assert.equal(await next(), ServingStatus.SERVING);
  assert.equal(await statusOf("known.Service"), ServingStatus.SERVING);
  // Nothing changes, so nothing is sent: the next status is the one after it.
  health.setServing();
  health.setNotServing();
  assert.equal(await next(), ServingStatus.NOT_SERVING);
  await watch.return();
});

Deno.test("addHealthService() answers for an unknown service as the protocol has it", async () => {
  const { client: material } = await testMaterial();
  await using fixture = await startListener({
    services: (server) => addHealthService(server, new HealthState(), []),
  });
  using client = disposableHealthClient(fixture.port, mutualCredentials(material));
  const { promise, resolve } = Promise.withResolvers<grpc.ServiceError | null>();
  client.check({ service: "no.such.Service" }, resolve);
  assert.equal((await promise)?.code, grpc.status.NOT_FOUND);
  const watch = callServerStream(client, client.watch, { service: "no.such.Service" });
  assert.equal((await watch.next()).value?.status, ServingStatus.SERVICE_UNKNOWN);
  await watch.return();
});

Deno.test("addHealthService() asks authorize() at each call", async () => {
  const { client: material, clientIdentity } = await testMaterial();
  const refusals: PalyraError[] = [];
  const authorize = ({ fingerprint }: PeerCertificate) => {
    assert.equal(fingerprint, clientIdentity.fingerprint);
    return refusals[0];
  };
  await using fixture = await startListener({
    services: (server) => addHealthService(server, new HealthState(), [], authorize),
  });
  using client = disposableHealthClient(fixture.port, mutualCredentials(material));
  const request = { service: "" };
  assert.equal((await callUnary(client, client.check, request)).status, ServingStatus.NOT_SERVING);
  // The connection is open; what is refused is the call.
  refusals.push(new PalyraError("device_revoked", "This device was revoked."));
  const isRefused = (error: unknown) => error instanceof PalyraError && error.code === "device_revoked";
  await assert.rejects(callUnary(client, client.check, request), isRefused);
  await assert.rejects(callServerStream(client, client.watch, request).next(), isRefused);
});

Deno.test("HealthState.watch() ends with the returned function", () => {
  const health = new HealthState();
  let changes = 0;
  const unwatch = health.watch(() => changes++);
  health.setServing();
  unwatch();
  health.setNotServing();
  assert.equal(changes, 1);
  assert.equal(health.serving, false);
});
