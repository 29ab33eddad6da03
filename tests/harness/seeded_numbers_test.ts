import assert from "node:assert/strict";
import { seededNumbers } from "./seeded_numbers.ts";

const first = (count: number, seed: number) => Array.from({ length: count }, seededNumbers(seed));

Deno.test("seededNumbers() gives the same numbers for a seed, others for another, and spreads them evenly", () => {
  assert.deepEqual(first(100, 7), first(100, 7));
  assert.notDeepEqual(first(100, 7), first(100, 8));
  const tenths = new Array<number>(10).fill(0);
  for (const number of first(10_000, 7)) {
    assert.ok(number >= 0 && number < 1);
    const tenth = Math.floor(number * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) assert.ok(count > 850 && count < 1_150, String(tenths));
});
