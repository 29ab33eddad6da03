import assert from "node:assert/strict";
import { sourceOf } from "./source_address.ts";

Deno.test("sourceOf() keeps an IPv4 address and takes the /64 of an IPv6 address", () => {
  const cases: [address: string, source: string][] = [
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:c000:207", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["[2001:db8:1:2::9]", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002:ffff::", "2001:db8:1:2::/64"],
    ["2001:db8::1:2:3:4", "2001:db8:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["64:ff9b::192.0.2.7", "64:ff9b:0:0::/64"],
    ["no address", "no address"],
    ["", ""],
  ];
  for (const [address, source] of cases) assert.equal(sourceOf(address), source, address);
});

Deno.test("sourceOf() tells neighbouring /64 apart", () => {
  assert.notEqual(sourceOf("2001:db8:0:1::1"), sourceOf("2001:db8:0:2::1"));
});
