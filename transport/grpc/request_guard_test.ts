import assert from "node:assert/strict";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { guardRequests } from "./request_guard.ts";

Deno.test("guardRequests() throws rather than to watch nothing", () => {
  const server = new Server();
  assert.throws(() => guardRequests(server, 1), TypeError);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  guardRequests(server, 1);
  injector.destroy();
  server.forceShutdown();
});
