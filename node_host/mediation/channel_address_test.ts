import assert from "node:assert/strict";
import { channelAddress } from "./channel_address.ts";

Deno.test("channelAddress() is a socket, or a loopback port where a socket cannot be", () => {
  assert.deepEqual(channelAddress("/state", "linux"), { kind: "socket", path: "/state/requests.sock" });
  assert.equal(channelAddress("/state", "windows").kind, "loopback");
  const folder = `/${"a".repeat(103 - "//requests.sock".length)}`;
  assert.equal(channelAddress(folder, "darwin").kind, "socket");
  assert.equal(channelAddress(`${folder}a`, "darwin").kind, "loopback");
  assert.equal(channelAddress(`/${"ü".repeat(50)}`, "linux").kind, "loopback");
});
