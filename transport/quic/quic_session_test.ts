import type { DaemonSession } from "../session.ts";
import { sessionContract, type SessionPair } from "../testing/session_contract.ts";
import { testMaterial } from "../testing/test_material.ts";
import { MAX_MESSAGE_BYTES } from "../transport_limits.ts";
import { QuicDialer } from "./quic_dialer.ts";
import { QuicRuntime } from "./quic_runtime.ts";

async function makePair(): Promise<SessionPair> {
  const { server, serverFingerprint, client, clientIdentity } = await testMaterial();
  const accepted = Promise.withResolvers<DaemonSession>();
  const runtime = QuicRuntime.start({
    hostname: "127.0.0.1",
    port: 0,
    tls: server,
    authorize: () => undefined,
    onSession: accepted.resolve,
    health: () => ({ nodeRpcMtlsRequired: true }),
    events: async function* () {},
    onRefused: (_remoteAddress, error) => accepted.reject(error),
  });
  const dialer = new QuicDialer({
    endpoint: { host: "127.0.0.1", port: runtime.address.port },
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
      await node.closed;
      await runtime.close({ graceMs: 0 });
    },
  };
}

sessionContract("quic", { maxMessageBytes: MAX_MESSAGE_BYTES }, makePair);
