import assert from "node:assert/strict";
import { findNode } from "./node_lookup.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

Deno.test("findNode() takes a device id or an approved name, in either case of letters", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("Zoë's Laptop");
  const { devices } = bench.pairing;
  for (const text of [deviceId, deviceId.toLowerCase(), "Zoë's Laptop", " zoË's lapTOP ", "zoe\u0308's laptop"]) {
    assert.equal(findNode(text, devices), deviceId, text);
  }
  assert.throws(() => findNode("another", devices), isError("node_not_found"));
  await bench.pairedNode("");
  assert.throws(() => findNode("", devices), isError("node_not_found"));
});

Deno.test("findNode() goes by no name that a node gives itself later", async () => {
  await using bench = await DaemonBench.open();
  const server = await bench.pairedNode("server");
  const thief = await bench.pairedNode("thief");
  await bench.register(server, { deviceName: "elsewhere" });
  await bench.register(thief, { deviceName: "server" });
  const { devices } = bench.pairing;
  assert.equal(findNode("server", devices), server.deviceId);
  assert.equal(findNode("thief", devices), thief.deviceId);
  assert.throws(() => findNode("elsewhere", devices), isError("node_not_found"));
});

Deno.test("findNode() asks for the id when two nodes were approved under one name", async () => {
  await using bench = await DaemonBench.open();
  await bench.pairedNode("laptop");
  await bench.pairedNode("LAPTOP");
  assert.throws(() => findNode("laptop", bench.pairing.devices), isError("invalid_argument", /2 nodes/));
});
