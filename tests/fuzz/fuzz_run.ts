import { type DatagramReport, fuzzDatagrams } from "./datagram_fuzz.ts";
import { type FrameReport, fuzzFrames } from "./frame_fuzz.ts";
import { type FireOptions, FuzzBench, type ServiceReport } from "./fuzz_bench.ts";
import { describeMemory, isLevel, type MemoryReport } from "./memory_samples.ts";
import { SentLog } from "./sent_log.ts";

/** No run makes the daemon hold more than this, whatever its length, in bytes. */
const MOST_MEMORY_BYTES = 512 * 1024 * 1024;

/** Fewer samples say nothing about whether memory is level. */
const ENOUGH_SAMPLES = 30;

/** How much is fired, and from which seed. */
export interface FuzzPlan {
  readonly seed: number;
  /** Hostile datagrams for the daemon. */
  readonly datagrams: number;
  /** Hostile frames for the daemon. */
  readonly frames: number;
  /**
   * Whether twice as much is fired before, so that the daemon's heap has found its size, and memory has to be level then. What
   * is counted and told is without it, but for the requests served and refused.
   */
  readonly warmUp: boolean;
}

/** What one kind of fire did, for people. */
interface Told {
  readonly line: string;
  readonly memory: MemoryReport;
}

type Fire = (bench: FuzzBench, options: FireOptions) => Promise<Told>;

/**
 * Fires at a daemon and its node, each kind of fire at a daemon of its own, and tells what came of it, line by line. The
 * first line says how to repeat the run.
 *
 * Throws when the daemon or the node suffers, or when the daemon's memory is not level; what was sent last is in a file
 * then, whose name is told.
 */
export async function runFuzz(plan: FuzzPlan, tell: (line: string) => void): Promise<void> {
  const { seed, datagrams, frames } = plan;
  tell(`seed ${seed}; to repeat it: deno task fuzz --seed ${seed} --datagrams ${datagrams} --frames ${frames}`);
  await underFire("datagrams", plan, datagrams, tell, async (bench, options) => {
    const report = await fuzzDatagrams(bench, options);
    return { line: describeDatagrams(report), memory: report.memory };
  });
  await underFire("frames", plan, frames, tell, async (bench, options) => {
    const report = await fuzzFrames(bench, options);
    return { line: describeFrames(report), memory: report.memory };
  });
}

async function underFire(
  name: string,
  { seed, warmUp }: FuzzPlan,
  count: number,
  tell: (line: string) => void,
  fire: Fire,
): Promise<void> {
  const log = new SentLog();
  try {
    await using bench = await FuzzBench.start();
    const run = (options: Omit<FireOptions, "log">) =>
      fire(bench, { ...options, log }).catch((error) => {
        // That the daemon has ended says more than what was noticed of it.
        bench.assertServing();
        throw error;
      });
    if (warmUp) await run({ seed: seed + 1, count: 2 * count });
    const { line, memory } = await run({ seed, count });
    tell(line);
    tell(`  ${describeMemory(memory)}`);
    tell(`  ${describeService(await bench.finish())}`);
    tell(`  refused: ${describeRefusals(await bench.refusals())}`);
    assertBounded(memory, { level: warmUp });
  } catch (error) {
    tell(`${name}: failed; what was sent last is in ${await log.write()}`);
    throw error;
  }
}

function assertBounded(memory: MemoryReport, { level }: { readonly level: boolean }): void {
  if (memory.peak > MOST_MEMORY_BYTES || (level && memory.samples >= ENOUGH_SAMPLES && !isLevel(memory))) {
    throw new Error(`the daemon's memory is not level: ${describeMemory(memory)}`);
  }
}

function describeDatagrams({ sent, sentToNode, kinds, seconds, answers }: DatagramReport): string {
  return `datagrams: ${sent} of ${kinds} kinds in ${seconds.toFixed(1)} s (${
    rate(sent, seconds)
  }), and ${sentToNode} ` +
    `for the node; ${answers} answers to strangers`;
}

function describeFrames(report: FrameReport): string {
  const { frames, streams, connections, cut, checked, kinds, seconds } = report;
  return `frames: ${frames} of ${kinds} kinds in ${seconds.toFixed(1)} s (${rate(frames, seconds)}), on ${streams} ` +
    `streams of ${connections} connections, ${cut} of them cut by the daemon; ${checked} answers checked`;
}

function describeService({ echoes, slowestMs, recoveryMs }: ServiceReport): string {
  return `meanwhile ${echoes} requests went to the node and back on the same session, the slowest in ` +
    `${slowestMs.toFixed(0)} ms; a new client was served ${recoveryMs.toFixed(0)} ms after it`;
}

function describeRefusals(refusals: ReadonlyMap<string, number>): string {
  return [...refusals].map(([code, count]) => `${code} ${count}`).join(", ") || "nothing";
}

function rate(count: number, seconds: number): string {
  return `${Math.round(count / seconds)} a second`;
}
