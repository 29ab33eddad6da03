import assert from "node:assert/strict";
import { LiveTap } from "./live_tap.ts";

function bind(): Deno.DatagramConn {
  return Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
}

function addressOf({ addr }: Deno.DatagramConn): Deno.NetAddr {
  return addr.transport === "udp" ? addr : assert.fail();
}

Deno.test("LiveTap passes datagrams on both ways, keeps them, and puts others between them", async () => {
  const [daemon, node] = [bind(), bind()];
  await using tap = LiveTap.start(addressOf(daemon));
  const [hostname = "", port] = tap.endpoint.split(":");
  await node.send(Uint8Array.of(1), { transport: "udp", hostname, port: Number(port) });
  const [asked, from] = await daemon.receive();
  assert.deepEqual(asked, Uint8Array.of(1));
  await daemon.send(Uint8Array.of(2), from);
  assert.deepEqual((await node.receive())[0], Uint8Array.of(2));
  assert.deepEqual(tap.recent("daemon"), [Uint8Array.of(1)]);
  assert.deepEqual(tap.recent("node"), [Uint8Array.of(2)]);

  await tap.inject("daemon", Uint8Array.of(3));
  assert.deepEqual(await daemon.receive(), [Uint8Array.of(3), from]);
  await tap.inject("node", Uint8Array.of(4));
  assert.deepEqual((await node.receive())[0], Uint8Array.of(4));
  assert.equal(tap.recent("daemon").length, 1);
  daemon.close();
  node.close();
});
