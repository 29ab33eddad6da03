import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { GrpcListener } from "../transport/grpc/grpc_listener.ts";
import { QuicRuntime } from "../transport/quic/quic_runtime.ts";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import { testMaterial } from "../transport/testing/test_material.ts";
import { openNodeEndpoint } from "./node_endpoint.ts";

const { server: tls } = await testMaterial();
const hostname = "127.0.0.1";
const ignore = !quicAvailability().available;

function openGrpc(port: number): Promise<GrpcListener> {
  return GrpcListener.start({
    hostname,
    port,
    mode: { kind: "mutual", authorize: () => undefined },
    tls,
    services: () => {},
    onRefused: () => {},
  });
}

function openQuic(hostname: string, port: number): QuicRuntime {
  return QuicRuntime.start({
    hostname,
    port,
    tls,
    authorize: () => undefined,
    onSession: (session) => session.close("unsupported", "Nothing is served here."),
    health: () => ({ nodeRpcMtlsRequired: true }),
    events: async function* () {},
    onRefused: () => {},
  });
}

/** Takes a UDP port, so that nobody else can listen on it. */
function occupy(port: number): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname, port });
}

/** A UDP port that is taken while the TCP port of that number is free, which other tests may have by chance. */
function occupyUdpAlone(): Deno.DatagramConn {
  for (;;) {
    const socket = occupy(0);
    try {
      Deno.listen({ hostname, port: portOf(socket) }).close();
      return socket;
    } catch (error) {
      socket.close();
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

function portOf(socket: Deno.DatagramConn): number {
  assert.ok(socket.addr.transport === "udp");
  return socket.addr.port;
}

const isError = (code: ReasonCode, about: RegExp) => (thrown: unknown): boolean =>
  thrown instanceof PalyraError && thrown.code === code && about.test(thrown.message);

Deno.test({
  name: "openNodeEndpoint() listens by TCP and UDP on one port number that was free for both",
  ignore,
  fn: async () => {
    const taken: Deno.DatagramConn[] = [];
    const { grpc, quic, quicAbsence } = await openNodeEndpoint({
      port: 0,
      openGrpc,
      openQuic: (hostname, port) => {
        // The first two that TCP gives are not free for UDP.
        if (taken.length < 2) taken.push(occupy(port));
        return openQuic(hostname, port);
      },
    });
    try {
      assert.deepEqual(quic?.address, { hostname, port: grpc.address.port });
      assert.equal(quicAbsence, "");
      assert.ok(!taken.map(portOf).includes(grpc.address.port));
    } finally {
      for (const socket of taken) socket.close();
      await quic?.close({ graceMs: 0 });
      await grpc.close({ graceMs: 0 });
    }
  },
});

Deno.test({
  name: "openNodeEndpoint() gives up a port that is free for TCP alone when it was told to take that one",
  ignore,
  fn: async () => {
    const taken = occupyUdpAlone();
    const port = portOf(taken);
    try {
      await assert.rejects(
        openNodeEndpoint({ port, openGrpc, openQuic }),
        isError("listen_failed", new RegExp(`UDP.*${port}.*--no-quic`)),
      );
      // The TCP port is free again, or this would fail.
      Deno.listen({ hostname, port }).close();
    } finally {
      taken.close();
    }
  },
});

Deno.test("openNodeEndpoint() tries no more than a few ports", async () => {
  let tries = 0;
  const refused = openNodeEndpoint({
    port: 0,
    openGrpc,
    openQuic: () => {
      tries++;
      throw new PalyraError("listen_failed", "UDP is forbidden here.");
    },
  });
  await assert.rejects(refused, isError("listen_failed", /UDP is forbidden here/));
  assert.equal(tries, 8);
});

Deno.test("openNodeEndpoint() serves by gRPC alone where QUIC is unsupported or switched off", async () => {
  const refused = () => {
    throw new PalyraError("unsupported", "There is no QUIC for this platform.");
  };
  for (
    const [openQuic, reason] of [[refused, "There is no QUIC for this platform."], [undefined, "switched off"]] as const
  ) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { grpc, quic, quicAbsence } = await openNodeEndpoint({ port: 0, openGrpc, openQuic });
    assert.deepEqual([quic, quicAbsence], [undefined, reason]);
    // deno-lint-ignore no-await-in-loop -- one after the other
    await grpc.close({ graceMs: 0 });
  }
});

Deno.test("openNodeEndpoint() leaves nothing open when QUIC fails for another reason", async () => {
  let port = 0;
  const refused = openNodeEndpoint({
    port: 0,
    openGrpc,
    openQuic: (_, given) => {
      port = given;
      throw new PalyraError("state_damaged", "The key is broken.");
    },
  });
  await assert.rejects(refused, isError("state_damaged", /The key is broken/));
  Deno.listen({ hostname, port }).close();
});
