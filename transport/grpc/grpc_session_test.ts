import assert from "node:assert/strict";
import { NodeServiceService } from "../../proto/gen/node.ts";
import type { DaemonSession } from "../session.ts";
import { sessionContract, type SessionPair } from "../testing/session_contract.ts";
import { MAX_MESSAGE_BYTES } from "../transport_limits.ts";
import { nodeStreamHandler } from "./grpc_daemon_session.ts";
import { GrpcDialer } from "./grpc_dialer.ts";
import { GrpcListener } from "./grpc_listener.ts";
import { testMaterial } from "../testing/test_material.ts";

async function makePair(): Promise<SessionPair> {
  const { server, serverFingerprint, client, clientIdentity } = await testMaterial();
  const accepted = Promise.withResolvers<DaemonSession>();
  const authorize = () => undefined;
  const listener = await GrpcListener.start({
    hostname: "127.0.0.1",
    port: 0,
    mode: { kind: "mutual", authorize },
    tls: server,
    services: (grpcServer, connections) => {
      const streamNodeEvents = nodeStreamHandler(accepted.resolve, authorize, connections);
      grpcServer.addService(NodeServiceService, { streamNodeEvents });
    },
    onRefused: (_remoteAddress, error) => accepted.reject(error),
  });
  const dialer = new GrpcDialer({
    endpoint: { host: "127.0.0.1", port: listener.address.port },
    material: () => client,
  });
  const node = await dialer.dial(new AbortController().signal);
  const daemon = await accepted.promise;
  return {
    daemon,
    node,
    nodeFingerprint: clientIdentity.fingerprint,
    daemonFingerprint: serverFingerprint,
    async [Symbol.asyncDispose]() {
      node.abort("cancelled", "The test is over.");
      await listener.close({ graceMs: 0 });
    },
  };
}

sessionContract("grpc", { maxMessageBytes: MAX_MESSAGE_BYTES }, makePair);

Deno.test("A grpc session that the daemon closes for trouble of its own tells the node the reason and no path", async () => {
  await using pair = await makePair();
  pair.node.onMessage = () => {};
  pair.daemon.close("state_damaged", "/var/lib/palyra/state.sqlite is damaged.");
  const end = await pair.node.closed;
  assert.equal(end.code, "state_damaged");
  assert.match(end.message, /its log has the details/);
  assert.equal((await pair.daemon.closed).message, "/var/lib/palyra/state.sqlite is damaged.");
});
