/**
 * `deno task chaos [--requests N] [--kills N] [--seed N] [--minutes N]`: requests of all kinds while a real daemon, four
 * real nodes and the links between them are destroyed and repaired. By default 10,000 requests and 70 kills from a new
 * seed, in 20 minutes at the most. Ends with an error when a promise is broken.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { say } from "../harness/say.ts";
import { freshSeed } from "../harness/seeded_numbers.ts";
import { runChaos } from "./chaos_run.ts";

function count(text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isSafeInteger(value) || value < 0) {
    say(`not a number: ${text}; usage: deno task chaos [--requests N] [--kills N] [--seed N] [--minutes N]`);
    Deno.exit(2);
  }
  return value;
}

const text = { type: "string" } as const;
const { values } = parseArgs({ options: { requests: text, kills: text, seed: text, minutes: text } });
await runChaos({
  requests: count(values.requests, 10_000),
  kills: count(values.kills, 70),
  seed: count(values.seed, freshSeed()),
  minutes: count(values.minutes, 20),
}, say);
