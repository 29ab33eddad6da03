/**
 * `deno task loss [seed]`: 5,000 requests over QUIC at 0, 2 and 10 % packet loss with 5 ms delay each way. Ends with an
 * error when one hangs, is lost or runs twice.
 *
 * @module
 */
import { freshSeed } from "./harness/seeded_numbers.ts";
import { runLoss } from "./quic_loss_run.ts";

const REQUESTS = 5_000;
const seed = Number(Deno.args[0] ?? freshSeed());
for (const loss of [0, 0.02, 0.1]) {
  // deno-lint-ignore no-await-in-loop -- one after the other, each on a fresh daemon
  await runLoss(loss, REQUESTS, seed);
}
