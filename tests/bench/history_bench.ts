import { join } from "node:path";
import { tableLines } from "../../transport/program/terminal_table.ts";
import { Fleet } from "../harness/fleet.ts";
import { executeEcho } from "./execute_echo.ts";
import { addFinishedRequests } from "./finished_requests.ts";
import { type Latency, measure, summarise } from "./latency.ts";
import type { Scenario } from "./scenario.ts";

const HISTORY = 1_000_000;
const ROUNDS = 6;
const ROUND_MS = 2_000;
const WARM_UP_MS = 5_000;
const IN_FLIGHT = [1, 32] as const;

/** What a request may take with a long history, as a multiple of what it takes without one. */
const WANTED_OF_HISTORY = 1.15;

/** Measures `execute` on a store with a million finished requests beside the same on an empty one, in interleaved rounds. */
export async function benchHistory(print: (line: string) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const empty = stack.use(await site(0));
  const began = performance.now();
  const full = stack.use(await site(HISTORY));
  print("");
  print(
    `History: ${HISTORY.toLocaleString("en")} finished requests beside none (made in ${
      ((performance.now() - began) / 1_000).toFixed(0)
    } s); ${ROUNDS} interleaved rounds of ${ROUND_MS / 1_000} s each`,
  );
  for (const scenario of [empty, full]) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await measure(() => scenario.once(), 8, WARM_UP_MS);
  }
  for (const inFlight of IN_FLIGHT) {
    const samples = new Map<Scenario, number[]>([[empty, []], [full, []]]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [scenario, all] of samples) {
        // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
        all.push(...await measure(() => scenario.once(), inFlight, ROUND_MS));
      }
    }
    const [without, withHistory] = [...samples.values()].map((all) => summarise(all, ROUNDS * ROUND_MS));
    if (without === undefined || withHistory === undefined) throw new Error("nothing was measured");
    print("");
    for (const line of historyLines(inFlight, without, withHistory)) print(line);
  }
}

function historyLines(inFlight: number, without: Latency, withHistory: Latency): string[] {
  const row = (name: string, { p50, p99, perSecond }: Latency) => [
    name,
    p50.toFixed(3),
    p99.toFixed(3),
    perSecond.toFixed(0),
  ];
  // With more than one in flight it is the rate that tells what one costs.
  const ratio = inFlight === 1 ? withHistory.p50 / without.p50 : without.perSecond / withHistory.perSecond;
  return [
    ...tableLines({
      columns: [
        { title: `${inFlight} IN FLIGHT` },
        { title: "P50 MS", align: "right" },
        { title: "P99 MS", align: "right" },
        { title: "PER SECOND", align: "right" },
      ],
      rows: [row("empty store", without), row("with history", withHistory)],
    }),
    `with history it takes ${ratio.toFixed(2)} × as long; wanted ≤ ${WANTED_OF_HISTORY}: ${
      ratio <= WANTED_OF_HISTORY ? "ok" : "MISSED"
    }`,
  ];
}

/** A daemon whose store holds so many finished requests, with a node; `once` executes on it. */
async function site(history: number): Promise<Scenario> {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(await Fleet.create());
  const { nodeRpc, enrolment } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
  const scenario = stack.use(await executeEcho(fleet, nodeRpc, "grpc"));
  await scenario.once();
  // Both are restarted, so that they differ in their history alone.
  await fleet.daemon.stop();
  if (history > 0) addFinishedRequests(join(fleet.daemonRoot, "palyrad", "palyrad.sqlite"), history);
  const portOf = (address: string) => address.slice(address.lastIndexOf(":") + 1);
  await fleet.startDaemon(["--port", portOf(nodeRpc), "--enrolment-port", portOf(enrolment)], {
    PALYRA_LOG_LEVEL: "info",
  });
  await fleet.daemon.line((line) => line.includes("Node connected."));
  const kept = stack.move();
  return { ...scenario, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
