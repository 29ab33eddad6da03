import fc from "fast-check";
import { COMMANDS } from "./queue_commands.ts";
import { success } from "./modelled_node.ts";
import { QueueWorld } from "./queue_world.ts";
import { checkWorld } from "./world_check.ts";

/** Things that happen in one run, at most; on average it is a little less than half as many. */
const MOST_COMMANDS = 100;

/** After so many rounds of a node that does all its work nothing is left. */
const LAST_ROUNDS = 60;

/** How much is tried, and from which seed. */
export interface ModelPlan {
  readonly seed: number;
  readonly runs: number;
}

/** What was tried. */
export interface ModelReport {
  readonly runs: number;
  readonly commands: number;
  /** Requests that were made. */
  readonly requests: number;
}

/**
 * Lets anything happen to the real queue on the real store, in any order, and compares it with the model after each step;
 * in the end a node does all its work, and nothing may be left. Throws with the shortest story that fails.
 */
export async function runModel({ seed, runs }: ModelPlan): Promise<ModelReport> {
  const report = { runs: 0, commands: 0, requests: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.commands([...COMMANDS], { maxCommands: MOST_COMMANDS, size: "max" }),
      async (journalled, commands) => {
        await using world = await QueueWorld.start(journalled);
        await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
        await workOff(world);
        report.runs++;
        report.requests += world.requestCount;
        report.commands += [...commands].length;
      },
    ),
    { seed, numRuns: runs, endOnFailure: false },
  );
  return report;
}

/** A node comes and does all its work. */
async function workOff(world: QueueWorld): Promise<void> {
  for (let round = 0; round < LAST_ROUNDS && world.open.length > 0; round++) {
    world.connect();
    for (const attempt of world.node.attempts("held", "asking")) world.node.start(attempt);
    for (const attempt of world.node.attempts("running")) {
      world.node.finish(attempt, success(attempt));
      world.say(attempt);
    }
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await world.settle();
    // deno-lint-ignore no-await-in-loop -- one round after the other
    await checkWorld(world);
    if (world.faults.length > 0) throw new Error(world.faults.join("\n"));
  }
  if (world.open.length > 0) {
    throw new Error(`left over: ${world.open.map(({ number, stage }) => `${number} ${stage}`).join(", ")}`);
  }
}
