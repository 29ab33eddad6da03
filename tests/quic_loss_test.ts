import { freshSeed } from "./harness/seeded_numbers.ts";
import { runLoss } from "./quic_loss_run.ts";

/** `deno task loss` sends 5,000. */
const REQUESTS = 300;

for (const loss of [0, 0.02, 0.1]) {
  Deno.test(`QUIC with ${loss * 100} % of the datagrams lost answers every request and runs each once`, async () => {
    await runLoss(loss, REQUESTS, freshSeed());
  });
}
