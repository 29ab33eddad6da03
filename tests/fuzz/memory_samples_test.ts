import assert from "node:assert/strict";
import { isLevel, MemorySamples } from "./memory_samples.ts";

const MIB = 2 ** 20;

Deno.test("MemorySamples sees what a process holds", async () => {
  await using samples = MemorySamples.start(Deno.pid, 1);
  const from = performance.now();
  while (samples.report(from).samples < 9) {
    // deno-lint-ignore no-await-in-loop -- waits for the samples
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const { firstThird, lastThird, peak } = samples.report(from);
  for (const bytes of [firstThird, lastThird, peak]) assert.ok(bytes > 20 * MIB && bytes < 4_096 * MIB, `${bytes}`);
});

Deno.test("isLevel() allows for the play of a heap and for no more", () => {
  const grown = (firstThird: number, lastThird: number) =>
    isLevel({ samples: 99, firstThird: firstThird * MIB, lastThird: lastThird * MIB, peak: lastThird * MIB });
  assert.ok(grown(200, 180));
  assert.ok(grown(200, 240));
  assert.ok(!grown(200, 260));
});
