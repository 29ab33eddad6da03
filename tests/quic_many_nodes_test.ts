import assert from "node:assert/strict";
import { Fleet } from "./harness/fleet.ts";
import { InProcessNode } from "./harness/in_process_node.ts";
import { operatorOf } from "./harness/operator.ts";
import { residentBytes } from "./harness/process_memory.ts";
import { say } from "./harness/say.ts";

/** As many as the daemon takes over QUIC by default (design section 4). */
const NODES = 256;

const INPUT = new TextEncoder().encode('{"hello":"world"}');

Deno.test(`palyrad welcomes ${NODES} nodes at once over QUIC, serves each, and refuses one more by name`, async () => {
  await using fleet = await Fleet.create();
  const folder = await Deno.makeTempDir({ prefix: "palyra-nodes-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const all = await InProcessNode.enrol(fleet, folder, Array.from({ length: NODES + 1 }, (_, at) => `node-${at}`));
  for (const node of all) stack.use(node);
  const [last, ...nodes] = all;
  assert.ok(last);
  const { nodeRpc: endpoint } = await fleet.startDaemon();
  using admin = await operatorOf(fleet, endpoint);

  const before = await residentBytes(fleet.daemon.pid);
  const began = performance.now();
  await Promise.all(nodes.map((node) => node.start({ transport: "quic", endpoint })));
  const welcomedMs = performance.now() - began;
  const after = await residentBytes(fleet.daemon.pid);
  const connected = (await admin.getStatus({})).nodesConnected;
  assert.equal(connected, NODES);

  const answers = await Promise.all(nodes.map((node) => {
    return admin.execute({
      deviceId: node.name,
      capability: "echo",
      inputJson: INPUT,
      maxPayloadBytes: 0,
      timeoutMs: 0,
      idempotencyKey: "",
    });
  }));
  for (const { state, error } of answers) assert.equal(state, "succeeded", error);
  assert.ok(nodes.every((node) => node.latest?.choice?.transport === "quic"));

  const tooMany = last.start({ transport: "quic", endpoint });
  const { lastFailure } = await last.status(({ lastFailure }) => lastFailure !== undefined);
  assert.equal(lastFailure?.code, "connection_limit");
  await nodes[0]?.[Symbol.asyncDispose]();
  await tooMany;
  assert.equal(last.latest?.state, "connected");
  say(
    `${NODES} nodes over QUIC welcomed in ${(welcomedMs / 1_000).toFixed(1)} s, ` +
      `${((after - before) / NODES / 1_024).toFixed(0)} KiB of the daemon's memory each`,
  );
});
