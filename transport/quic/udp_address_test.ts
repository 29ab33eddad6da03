import assert from "node:assert/strict";
import type { Host } from "./quiche_addon.ts";
import { asSocketsWrite, sameAddress } from "./udp_address.ts";
import { UdpSocket } from "./udp_socket.ts";

const PORT = 7_444;

const WAYS = [
  ["192.0.2.7", "192.0.2.7"],
  ["2001:DB8:0:0:0:0:0:7", "2001:db8::7"],
  ["2001:db8:0:1:0:0:0:0007", "2001:db8:0:1::7"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["::FFFF:192.0.2.7", "::ffff:192.0.2.7"],
  ["::ffff:c000:207", "::ffff:192.0.2.7"],
  ["fe80::1%eth0", "fe80::1%eth0"],
  ["gateway.example.org", "gateway.example.org"],
] as const;

for (const [written, expected] of WAYS) {
  Deno.test(`asSocketsWrite() makes ${expected} of ${written}`, () => {
    assert.deepEqual(asSocketsWrite({ host: written, port: PORT }), { host: expected, port: PORT });
  });
}

for (const [listensAt, calls] of [["::1", "0:0:0:0:0:0:0:1"], ["127.0.0.1", "::FFFF:7f00:1"]] as const) {
  Deno.test(`asSocketsWrite() of ${calls} is what a socket says that hears from there`, async () => {
    const { promise, resolve } = Promise.withResolvers<Host>();
    const daemon = UdpSocket.bind(listensAt, 0, (_datagram, from) => daemon.send(daemon.takeBuffer(), 1, from));
    const client = UdpSocket.bind("::", 0, (_datagram, from) => resolve(from));
    const address = asSocketsWrite({ host: calls, port: daemon.local.port });
    client.send(client.takeBuffer(), 1, address);
    assert.deepEqual(await promise, address);
    await Promise.all([client.close(), daemon.close()]);
  });
}

Deno.test("sameAddress() compares host and port", () => {
  const address = { host: "192.0.2.7", port: PORT };
  assert.ok(sameAddress(address, { ...address }));
  assert.ok(!sameAddress(address, { ...address, port: PORT + 1 }));
  assert.ok(!sameAddress(address, { ...address, host: "192.0.2.8" }));
});
