import assert from "node:assert/strict";
import { RelayedNode } from "./harness/relayed_node.ts";
import { notRunOnce, streamRequests, wrongAnswers } from "./harness/request_stream.ts";

const REQUESTS = 400;

Deno.test("A session over QUIC goes on when the node's address changes, and no request is lost or doubled", async () => {
  await using setting = await RelayedNode.start("quic", { conditions: { delayMs: 2 } });
  const { admin, name, echo, relay, node } = setting;
  const portsBefore = relay.sourcePorts;
  const epoch = node.latest?.epoch;
  let moved = false;
  const outcomes = await streamRequests(admin, {
    node: name,
    inFlight: 8,
    goesOn: (sent) => {
      if (sent === REQUESTS / 2 && !moved) {
        moved = true;
        relay.rebind();
      }
      return sent < REQUESTS;
    },
  });
  assert.ok(moved);
  assert.deepEqual(wrongAnswers(outcomes), []);
  assert.deepEqual(notRunOnce(outcomes, echo.runs), []);
  assert.notDeepEqual(relay.sourcePorts, portsBefore);
  assert.equal(relay.counters.rebinds, 1);
  assert.equal(node.latest?.epoch, epoch);
  assert.equal(node.statuses.filter(({ state }) => state === "connected").length, 1);
});
