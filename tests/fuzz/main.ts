/**
 * `deno task fuzz [--seed N] [--datagrams N] [--frames N]`: hostile datagrams and frames for a real daemon while its node
 * works. By default 100,000 of each, from a new seed, and twice as many before them that
 * warm up.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { freshSeed } from "../harness/seeded_numbers.ts";
import { runFuzz } from "./fuzz_run.ts";

function print(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function count(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    print(`not a number: ${text}; usage: deno task fuzz [--seed N] [--datagrams N] [--frames N]`);
    Deno.exit(2);
  }
  return value;
}

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { seed: text, datagrams: text, frames: text } });
await runFuzz({
  seed: count(values.seed, freshSeed()),
  datagrams: count(values.datagrams, 100_000),
  frames: count(values.frames, 100_000),
  warmUp: true,
}, print);
