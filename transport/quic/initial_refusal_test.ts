import assert from "node:assert/strict";
import { clientIdentity } from "./testing/identities.ts";
import { initialRefusal, serverInitialKeys } from "./initial_refusal.ts";
import { ManualClient } from "./testing/manual_client.ts";
import { quiche } from "./quiche_addon.ts";

const DAEMON = { host: "127.0.0.1", port: 7_444 };

Deno.test("serverInitialKeys() makes the keys of RFC 9001, appendix A.1", () => {
  const keys = serverInitialKeys(Uint8Array.fromHex("8394c8f03e515708"));
  assert.equal(keys.key.toHex(), "cf3a5331653c364c88f0f379b6067e37");
  assert.equal(keys.iv.toHex(), "0ac1493ca1905853b0bba03e");
  assert.equal(keys.headerKey.toHex(), "c206b8d9b9f0f37644430b490eeaa314");
});

Deno.test("initialRefusal() makes a packet from which a client learns the code and the reason", async () => {
  const client = new ManualClient(DAEMON, await clientIdentity());
  const { scid, dcid, version } = quiche().Header.fromSlice(client.produceOne(), 20);
  const packet = initialRefusal({ version, clientId: scid, serverId: dcid }, 2, "rate_limited");
  assert.ok(packet !== undefined);
  client.consume(packet);
  assert.deepEqual(client.peerError, { application: false, code: 2, reason: "rate_limited" });
});

Deno.test("initialRefusal() keeps 63 bytes of a long reason", async () => {
  const client = new ManualClient(DAEMON, await clientIdentity());
  const { scid, dcid, version } = quiche().Header.fromSlice(client.produceOne(), 20);
  const packet = initialRefusal({ version, clientId: scid, serverId: dcid }, 2, "x".repeat(200));
  assert.ok(packet !== undefined);
  client.consume(packet);
  assert.deepEqual(client.peerError, { application: false, code: 2, reason: "x".repeat(63) });
});

Deno.test("initialRefusal() makes a packet that means nothing to a client that sent to another connection id", async () => {
  const client = new ManualClient(DAEMON, await clientIdentity());
  const { scid, dcid, version } = quiche().Header.fromSlice(client.produceOne(), 20);
  const packet = initialRefusal({ version, clientId: scid, serverId: dcid.map((byte) => byte ^ 1) }, 2, "rate_limited");
  assert.ok(packet !== undefined);
  client.consume(packet);
  assert.equal(client.peerError, undefined);
});

Deno.test("initialRefusal() is silent to versions whose keys it does not know", () => {
  const refused = { clientId: new Uint8Array(8), serverId: new Uint8Array(8) };
  for (const version of [0, 2, 0x6b3343cf, 0xff00001d]) {
    assert.equal(initialRefusal({ ...refused, version }, 2, "rate_limited"), undefined);
  }
});
