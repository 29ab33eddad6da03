import assert from "node:assert/strict";
import { peerSource } from "./peer_source.ts";

const HERE = "198.51.100.7";

Deno.test("peerSource() is the address for IPv4, mapped into IPv6 or not", () => {
  assert.deepEqual(peerSource("192.0.2.1", HERE), { key: "192.0.2.1", local: false });
  assert.deepEqual(peerSource("::ffff:192.0.2.1", `::ffff:${HERE}`), { key: "192.0.2.1", local: false });
});

Deno.test("peerSource() is the /64 for IPv6, however the address is written", () => {
  const keys = [
    "2001:db8:0:1::1",
    "2001:db8:0:1:ffff:ffff:ffff:ffff",
    "2001:0DB8:0000:0001:0000:0000:0000:0001",
    "2001:db8::1:0:0:0:9",
    "2001:db8:0:1::192.0.2.1",
    "2001:db8:0:1::9%eth0",
  ].map((address) => peerSource(address, "2001:db8:9::1").key);
  assert.deepEqual(new Set(keys), new Set(["2001:db8:0:1::/64"]));
  assert.equal(peerSource("2001:db8:0:2::1", undefined).key, "2001:db8:0:2::/64");
  assert.equal(peerSource("fe80::1%eth0", undefined).key, "fe80:0:0:0::/64");
  assert.equal(peerSource("::2", undefined).key, "0:0:0:0::/64");
});

Deno.test("peerSource() takes all of this machine for one source", () => {
  for (const address of ["127.0.0.1", "127.200.3.4", "::1", "::ffff:127.0.0.1"]) {
    assert.deepEqual(peerSource(address, HERE), { key: "local", local: true }, address);
  }
  assert.deepEqual(peerSource(HERE, HERE), { key: "local", local: true });
  assert.deepEqual(peerSource(`::ffff:${HERE}`, HERE), { key: "local", local: true });
  assert.equal(peerSource("2001:db8::5", "2001:db8::5").local, true);
});

Deno.test("peerSource() of a socket that is gone is unknown and not local", () => {
  assert.deepEqual(peerSource(undefined, undefined), { key: "unknown", local: false });
});
