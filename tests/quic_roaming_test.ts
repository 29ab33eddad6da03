import assert from "node:assert/strict";
import { RelayedNode } from "./harness/relayed_node.ts";
import { notRunOnce, streamRequests, wrongAnswers } from "./harness/request_stream.ts";

/** Requests before the first change of address, between two of them, and after the last one. */
const STRETCH = 150;

const CHANGES = 4;

Deno.test("A session over QUIC goes on when the node's address changes, and no request is lost or doubled", async () => {
  // Much is lost each time: several datagrams of each request, sent for 20 ms to an address that is gone.
  await using setting = await RelayedNode.start("quic", { conditions: { delayMs: 20 } });
  const { admin, name, echo, relay, node } = setting;
  const epoch = node.latest?.epoch;
  const portsBefore = relay.sourcePorts;
  const outcomes = await streamRequests(admin, {
    node: name,
    inFlight: 32,
    inputBytes: 8_192,
    timeoutMs: 15_000,
    goesOn: (sent) => {
      const changes = relay.counters.rebinds;
      if (changes < CHANGES && sent === (changes + 1) * STRETCH) relay.rebind();
      return sent < (CHANGES + 1) * STRETCH;
    },
  });
  assert.deepEqual(wrongAnswers(outcomes), []);
  assert.deepEqual(notRunOnce(outcomes, echo.runs), []);
  assert.notDeepEqual(relay.sourcePorts, portsBefore);
  assert.equal(relay.counters.rebinds, CHANGES);
  assert.equal(node.latest?.epoch, epoch);
  assert.equal(node.statuses.filter(({ state }) => state === "connected").length, 1);
});
