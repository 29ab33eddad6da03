import { say } from "../tests/harness/say.ts";
import { freshSeed } from "../tests/harness/seeded_numbers.ts";
import { runModel } from "../tests/model/model_run.ts";

const seed = Number(Deno.env.get("PALYRA_SEED") ?? freshSeed());

Deno.test("CapabilityQueue does what the model says, whatever happens in whatever order", async () => {
  say(`seed ${seed}; again: PALYRA_SEED=${seed} deno task test daemon/capability_queue_model_test.ts`);
  const { runs, commands, requests } = await runModel({ seed, runs: 60 });
  say(`${runs} runs, ${commands} commands, ${requests} requests`);
});
