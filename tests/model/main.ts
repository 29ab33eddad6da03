/**
 * `deno task model [--runs N] [--seed N]`: anything happens in any order to the real queue on the real store, and after each
 * step it is compared with the model. By default 2,000 runs of 50 commands on average, from a new seed. Ends with an error,
 * and the shortest story that leads to it, when the queue does something else than the model.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { say } from "../harness/say.ts";
import { freshSeed } from "../harness/seeded_numbers.ts";
import { runModel } from "./model_run.ts";

function count(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    say(`not a number: ${text}; usage: deno task model [--runs N] [--seed N]`);
    Deno.exit(2);
  }
  return value;
}

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { runs: text, seed: text } });
// fast-check takes a signed 32-bit seed.
const seed = count(values.seed, freshSeed()) | 0;
const began = performance.now();
say(`seed ${seed >>> 0}`);
const { runs, commands, requests } = await runModel({ seed, runs: count(values.runs, 2_000) });
say(
  `seed ${seed >>> 0}: ${runs} runs, ${commands} commands, ${requests} requests, no difference; ` +
    `${((performance.now() - began) / 1_000).toFixed(0)} s`,
);
