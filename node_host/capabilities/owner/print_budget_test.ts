import assert from "node:assert/strict";
import { LEAST_LINE_CHARACTERS, MAX_PRINT_CHARACTERS, PRINT_CHARACTERS_PER_S, PrintBudget } from "./print_budget.ts";

Deno.test("PrintBudget.take() allows so much at once, and so much more with time", () => {
  let now = 0;
  const budget = new PrintBudget(() => now);
  assert.equal(budget.take(MAX_PRINT_CHARACTERS), true);
  assert.equal(budget.take(1), false);
  now += 2_000;
  assert.equal(budget.take(2 * PRINT_CHARACTERS_PER_S - LEAST_LINE_CHARACTERS), true);
  assert.equal(budget.take(2), false);
});

Deno.test("PrintBudget.take() counts empty lines, and saves up no more than it allows at once", () => {
  let now = 0;
  const budget = new PrintBudget(() => now);
  now += 3_600_000;
  for (let line = 0; line < MAX_PRINT_CHARACTERS / LEAST_LINE_CHARACTERS; line++) assert.equal(budget.take(0), true);
  assert.equal(budget.take(0), false);
});
