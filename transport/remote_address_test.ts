import assert from "node:assert/strict";
import { formatRemoteAddress } from "./remote_address.ts";

Deno.test("formatRemoteAddress() brackets IPv6 addresses, unmaps IPv4 ones and says when it does not know", () => {
  assert.equal(formatRemoteAddress("192.0.2.1", 7444), "192.0.2.1:7444");
  assert.equal(formatRemoteAddress("2001:db8::1", 7444), "[2001:db8::1]:7444");
  assert.equal(formatRemoteAddress("::ffff:192.0.2.1", 1), "192.0.2.1:1");
  assert.equal(formatRemoteAddress("::ffff:0:1", 1), "[::ffff:0:1]:1");
  assert.equal(formatRemoteAddress(undefined, undefined), "unknown");
});
