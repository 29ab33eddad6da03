import assert from "node:assert/strict";
import { RelayedNode } from "./harness/relayed_node.ts";
import { notRunOnce, streamRequests, wrongAnswers } from "./harness/request_stream.ts";
import { say } from "./harness/say.ts";

/** How soon a node has to be back on gRPC, in milliseconds (design section 4: within one missed keep-alive). */
const BACK_ON_GRPC_MS = 5_000;

Deno.test("A node whose UDP is blocked in the middle of its work goes to gRPC and back, and no request is lost", async () => {
  await using setting = await RelayedNode.start("auto");
  const { admin, name, echo, relay, node } = setting;
  assert.equal(node.latest?.choice?.transport, "quic");

  let stop = false;
  const sending = streamRequests(admin, { node: name, inFlight: 4, goesOn: () => !stop });
  const seen = node.statuses.length;
  const blockedAt = performance.now();
  relay.blockUdp();
  const onGrpc = await node.status(({ state, choice }) => state === "connected" && choice?.transport === "grpc", seen);
  const awayMs = performance.now() - blockedAt;
  assert.equal(onGrpc.choice?.reason, "quic_lost");

  const fallenBack = node.statuses.length;
  relay.unblockUdp();
  const healed = await node.status(
    ({ state, choice }) => state === "connected" && choice?.transport === "quic",
    fallenBack,
  );
  assert.equal(healed.choice?.reason, "quic_healed");
  stop = true;
  const outcomes = await sending;
  assert.ok(outcomes.length > 0);
  assert.deepEqual(wrongAnswers(outcomes), []);
  assert.deepEqual(notRunOnce(outcomes, echo.runs), []);
  assert.ok(awayMs < BACK_ON_GRPC_MS, `the node was on gRPC after ${awayMs.toFixed(0)} ms only`);
  say(`UDP blocked: on gRPC after ${(awayMs / 1_000).toFixed(1)} s; ${outcomes.length} requests, each run once`);
});
