import assert from "node:assert/strict";
import { RelayedNode } from "./harness/relayed_node.ts";
import { notRunOnce, streamRequests, wrongAnswers } from "./harness/request_stream.ts";
import { say } from "./harness/say.ts";

/** Requests that wait for an answer at once. */
const IN_FLIGHT = 32;

/** One way, in milliseconds. */
const DELAY_MS = 5;

/** So many lost datagrams are to be expected before a run ends: that none is lost by chance is once in 10^17 runs. */
const EXPECTED_LOSSES = 40;

/**
 * Sends at least `requests` over QUIC through a network that loses `loss` (0 to 1) of the datagrams in each direction.
 * Throws unless each is answered with its own input and ran exactly once.
 */
export async function runLoss(loss: number, requests: number, seed: number): Promise<void> {
  await using setting = await RelayedNode.start("quic", { seed, conditions: { loss, delayMs: DELAY_MS } });
  const { admin, name, echo, relay, node } = setting;
  const taken = () => relay.counters.toTarget.taken + relay.counters.toClient.taken;
  const outcomes = await streamRequests(admin, {
    node: name,
    inFlight: IN_FLIGHT,
    goesOn: (sent) => sent < requests || (loss > 0 && taken() * loss < EXPECTED_LOSSES),
  });
  assert.ok(outcomes.length >= requests);
  assert.deepEqual(wrongAnswers(outcomes), []);
  assert.deepEqual(notRunOnce(outcomes, echo.runs), []);
  assert.equal(echo.runs.size, outcomes.length);

  // It did go over this network.
  const lost = relay.counters.toTarget.lost + relay.counters.toClient.lost;
  assert.ok(taken() > requests / IN_FLIGHT);
  assert.equal(lost > 0, loss > 0);
  assert.equal(node.latest?.choice?.transport, "quic");
  const times = outcomes.map(({ tookMs }) => tookMs).sort((a, b) => a - b);
  const at = (share: number) => (times[Math.floor(times.length * share)] ?? NaN).toFixed(0);
  say(
    `loss ${(loss * 100).toFixed(0)} %, seed ${seed}: ${outcomes.length} requests, each answered and run once; p50 ${
      at(0.5)
    } ms, ` +
      `p99 ${at(0.99)} ms; ${lost} of ${taken()} datagrams lost; epoch ${node.latest?.epoch}`,
  );
}
