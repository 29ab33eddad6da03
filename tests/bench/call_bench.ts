import { tableLines } from "../../transport/program/terminal_table.ts";
import { Fleet } from "../harness/fleet.ts";
import { executeEcho } from "./execute_echo.ts";
import { type Latency, measure, summarise } from "./latency.ts";
import { rawEcho } from "./raw_echo.ts";
import type { Scenario } from "./scenario.ts";
import { sessionPing } from "./session_ping.ts";

const ROUNDS = 3;
const ROUND_MS = 3_000;
const WARM_UP_MS = 6_000;
const IN_FLIGHT = [1, 32] as const;

/** The rate of durable executes with many in flight, as a share of the rate of the raw call. */
const WANTED_RATE = 0.8;

/** What executes over QUIC may take, as a multiple of executes over gRPC. */
const WANTED_OF_QUIC = 1.5;

/** Measures the raw call, the session ping and the durable `execute` over both transports, in interleaved rounds. */
export async function benchCalls(print: (line: string) => void): Promise<void> {
  await using fleet = await Fleet.create();
  const { nodeRpc } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
  await using raw = await rawEcho();
  await using ping = await sessionPing(fleet, nodeRpc);
  await using overGrpc = await executeEcho(fleet, nodeRpc, "grpc");
  await using overQuic = await executeEcho(fleet, nodeRpc, "quic");
  // An execute leaves each process idle for about a millisecond, and waking up has a price: the raw call so paced.
  const rested: Scenario = {
    name: "raw, 1 ms apart",
    pauseMs: 1,
    once: () => raw.once(),
    [Symbol.asyncDispose]: async () => {},
  };
  const scenarios: readonly Scenario[] = [raw, rested, ping, overGrpc, overQuic];

  print("");
  print(`Calls: ${ROUNDS} interleaved rounds of ${ROUND_MS / 1000} s each`);
  for (const scenario of scenarios) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await measure(() => scenario.once(), 8, WARM_UP_MS);
  }
  for (const inFlight of IN_FLIGHT) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    const results = await run(scenarios, inFlight);
    print("");
    for (const line of resultLines(inFlight, scenarios, results, raw)) print(line);
    print(quicLine(results.get(overQuic), results.get(overGrpc)));
    if (inFlight === 1) continue;
    for (const scenario of [overGrpc, overQuic]) print(rateLine(scenario, results.get(scenario), results.get(raw)));
  }
}

async function run(scenarios: readonly Scenario[], inFlight: number): Promise<Map<Scenario, Latency>> {
  const samples = new Map<Scenario, number[]>(scenarios.map((scenario) => [scenario, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const scenario of scenarios) {
      // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
      const measured = await measure(() => scenario.once(), inFlight, ROUND_MS, scenario.pauseMs);
      samples.set(scenario, (samples.get(scenario) ?? []).concat(measured));
    }
  }
  return new Map(
    scenarios.map((scenario) => [scenario, summarise(samples.get(scenario) ?? [], ROUNDS * ROUND_MS)]),
  );
}

function resultLines(
  inFlight: number,
  scenarios: readonly Scenario[],
  results: ReadonlyMap<Scenario, Latency>,
  raw: Scenario,
): string[] {
  const yardstick = results.get(raw);
  const ratio = (value: number, base: number | undefined) => base === undefined ? "" : `${(value / base).toFixed(2)} ×`;
  return tableLines({
    columns: [
      { title: `${inFlight} IN FLIGHT` },
      { title: "P50 MS", align: "right" },
      { title: "P99 MS", align: "right" },
      { title: "PER SECOND", align: "right" },
      { title: "P50 TO RAW", align: "right" },
      { title: "P99 TO RAW", align: "right" },
      { title: "RATE TO RAW", align: "right" },
    ],
    rows: scenarios.map((scenario) => {
      const result = results.get(scenario);
      const paced = scenario.pauseMs !== undefined;
      return [
        scenario.name,
        result?.p50.toFixed(3) ?? "",
        result?.p99.toFixed(3) ?? "",
        paced ? "" : result?.perSecond.toFixed(0) ?? "",
        ratio(result?.p50 ?? NaN, yardstick?.p50),
        ratio(result?.p99 ?? NaN, yardstick?.p99),
        paced ? "" : ratio(result?.perSecond ?? NaN, yardstick?.perSecond),
      ];
    }),
  });
}

function rateLine({ name }: Scenario, execute: Latency | undefined, raw: Latency | undefined): string {
  const share = (execute?.perSecond ?? NaN) / (raw?.perSecond ?? NaN);
  const verdict = share >= WANTED_RATE ? "ok" : "MISSED";
  return `${name} has ${share.toFixed(2)} × the rate of the raw call; wanted ≥ ${WANTED_RATE}: ${verdict}`;
}

function quicLine(quic: Latency | undefined, grpc: Latency | undefined): string {
  const times = (quic?.p50 ?? NaN) / (grpc?.p50 ?? NaN);
  const verdict = times <= WANTED_OF_QUIC ? "ok" : "MISSED";
  return `execute over QUIC takes ${
    times.toFixed(2)
  } × execute over gRPC (p50); wanted ≤ ${WANTED_OF_QUIC}: ${verdict}`;
}
