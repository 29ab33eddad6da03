import { join } from "node:path";
import { ScriptedHost } from "../../node_host/testing/scripted_host.ts";
import { tableLines } from "../../transport/program/terminal_table.ts";
import { type StartupBuild, startupBuilds } from "./startup_build.ts";
import { type StartupSample, type StartupScenario, toALine, toItsEnd, toWelcomed } from "./startup_scenario.ts";

const ROUNDS = 9;
const MIB = 1024 ** 2;

/** A start of Deno and one of Node that do nothing: what all others are compared with. */
interface Yardsticks {
  readonly deno: StartupScenario;
  readonly node: StartupScenario;
  /** Deno once more, staying until its memory was read. */
  readonly idleDeno: StartupScenario;
}

/**
 * Measures the start of the programs from source, as a package and as executables: the time until palyrad says that it is
 * ready and until palyra-node is welcomed over QUIC, the memory then, and the size on the disk; in interleaved rounds.
 */
export async function benchStartup(print: (line: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-startup-" });
  try {
    const builds = await startupBuilds(folder);
    await using host = await ScriptedHost.start("quic");
    const yardsticks: Yardsticks = {
      deno: toItsEnd("deno eval 0", [Deno.execPath(), "eval", "0"], (await Deno.stat(Deno.execPath())).size),
      node: toItsEnd("node -e 0", ["node", "-e", "0"]),
      idleDeno: toALine(
        "deno, idle",
        [Deno.execPath(), "eval", "console.log(0); setInterval(() => {}, 1e6)"],
        () => true,
      ),
    };
    const ofBuilds = await Promise.all(builds.map((build) => scenariosOf(build, join(folder, "state"), host)));
    const scenarios = [yardsticks.deno, yardsticks.node, yardsticks.idleDeno, ...ofBuilds.flat()];

    print("");
    print(`Start-up: median of ${ROUNDS} interleaved rounds after one to warm up`);
    const samples = await run(scenarios);
    print("");
    for (const line of resultLines(scenarios, samples, yardsticks)) print(line);
    for (const { name, daemonServes } of builds) {
      if (!daemonServes) print(`${name}: palyrad does not serve on that Deno, and is left out.`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function scenariosOf(build: StartupBuild, state: string, host: ScriptedHost): Promise<StartupScenario[]> {
  const { name } = build;
  const [daemon, node] = [build.command("palyrad"), build.command("palyra-node")];
  const [daemonSize, nodeSize] = await Promise.all([build.size("palyrad"), build.size("palyra-node")]);
  const stateRoot = join(state, name);
  const run = [...daemon, "run", "--json", "--port", "0", "--enrolment-port", "0", "--state-root", stateRoot];
  const isReady = (line: string) => line.startsWith('{"event":"ready"');
  return [
    toItsEnd(`${name}: palyra-node --version`, [...node, "--version"], nodeSize),
    toWelcomed(`${name}: palyra-node run, to welcomed`, build, host, nodeSize),
    ...(build.daemonServes ? [toALine(`${name}: palyrad run, to ready`, run, isReady, daemonSize)] : []),
  ];
}

async function run(scenarios: readonly StartupScenario[]): Promise<Map<StartupScenario, StartupSample[]>> {
  const samples = new Map<StartupScenario, StartupSample[]>(scenarios.map((scenario) => [scenario, []]));
  for (let round = 0; round <= ROUNDS; round++) {
    for (const scenario of scenarios) {
      // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
      const sample = await scenario.once();
      if (round > 0) samples.get(scenario)?.push(sample);
    }
  }
  return samples;
}

function resultLines(
  scenarios: readonly StartupScenario[],
  samples: ReadonlyMap<StartupScenario, readonly StartupSample[]>,
  { deno, node, idleDeno }: Yardsticks,
): string[] {
  const time = (of: StartupScenario) => median(samples.get(of)?.map(({ ms }) => ms) ?? []);
  const memory = (of: StartupScenario) =>
    median((samples.get(of) ?? []).flatMap(({ residentBytes }) => residentBytes ?? []));
  const times = (value: number | undefined, base: number | undefined) =>
    value === undefined || base === undefined ? "" : `${(value / base).toFixed(2)} ×`;
  const mebibytes = (bytes: number | undefined) => bytes === undefined ? "" : (bytes / MIB).toFixed(1);
  return tableLines({
    columns: [
      { title: "START" },
      { title: "TIME TO DENO", align: "right" },
      { title: "TO NODE", align: "right" },
      { title: "MEMORY TO DENO", align: "right" },
      { title: "SIZE TO DENO", align: "right" },
      { title: "MS", align: "right" },
      { title: "MEMORY MIB", align: "right" },
      { title: "SIZE MIB", align: "right" },
    ],
    rows: scenarios.map((scenario) => [
      scenario.name,
      times(time(scenario), time(deno)),
      times(time(scenario), time(node)),
      times(memory(scenario), memory(idleDeno)),
      times(scenario.sizeBytes, deno.sizeBytes),
      time(scenario)?.toFixed(0) ?? "",
      mebibytes(memory(scenario)),
      mebibytes(scenario.sizeBytes),
    ]),
  });
}

/** Undefined of nothing. */
function median(numbers: readonly number[]): number | undefined {
  return [...numbers].sort((left, right) => left - right)[Math.floor(numbers.length / 2)];
}
