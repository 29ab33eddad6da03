import assert from "node:assert/strict";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { testMaterial } from "../transport/testing/test_material.ts";
import { DaemonListeners, type NodeListenerOptions } from "./daemon_listeners.ts";

const { server: tls } = await testMaterial();

const NODES: NodeListenerOptions = {
  hostname: "127.0.0.1",
  port: 0,
  tls,
  authorize: () => undefined,
  services: () => {},
  quic: undefined,
};

/** Name, address and reason of each listener. */
function standing({ states }: DaemonListeners) {
  return states.map(({ name, address, absence }) => [name, address, absence]);
}

const NOTHING_OPEN = [
  ["node_rpc", undefined, "switched off"],
  ["quic", undefined, "switched off"],
  ["enrolment", undefined, "switched off"],
];

Deno.test({
  name: "DaemonListeners says of each listener where it is, or why not",
  ignore: !quicAvailability().available,
  fn: async () => {
    const listeners = new DaemonListeners();
    assert.deepEqual(standing(listeners), NOTHING_OPEN);
    assert.deepEqual(listeners.addresses, { nodeRpc: "", quic: undefined, enrolment: undefined });
    try {
      await listeners.openNodes({
        ...NODES,
        quic: { onSession: (session) => session.close("unsupported", "Not here."), events: async function* () {} },
      });
      await listeners.openEnrolment({ hostname: "127.0.0.1", port: 0, tls, services: () => {} });
      const nodes = `127.0.0.1:${listeners.nodeAddress?.port}`;
      const enrolment = `127.0.0.1:${listeners.enrolmentAddress?.port}`;
      assert.deepEqual(listeners.addresses, { nodeRpc: nodes, quic: nodes, enrolment });
      assert.deepEqual(standing(listeners), [["node_rpc", nodes, ""], ["quic", nodes, ""], [
        "enrolment",
        enrolment,
        "",
      ]]);
      assert.deepEqual(listeners.datagrams, { received: 0, sent: 0, dropped: 0 });
    } finally {
      await Promise.all([listeners.close(), listeners.close()]);
    }
    assert.deepEqual(standing(listeners), NOTHING_OPEN);
    assert.equal(listeners.datagrams, undefined);
  },
});

Deno.test("DaemonListeners opens no QUIC when it is switched off", async () => {
  const listeners = new DaemonListeners();
  try {
    await listeners.openNodes(NODES);
    assert.equal(listeners.addresses.quic, undefined);
    assert.equal(listeners.quicAbsence, "switched off");
    // The UDP port of that number is nobody's.
    const { port = 0 } = listeners.nodeAddress ?? {};
    Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port }).close();
  } finally {
    await listeners.close();
  }
});
