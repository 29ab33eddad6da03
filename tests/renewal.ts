/**
 * `deno task renewal`: certificates of 20 s, for three minutes over each transport, with work going on all the time. Fails
 * when a request did, or when a session ended for another reason than a renewal.
 *
 * @module
 */
import { say } from "./harness/say.ts";
import { PLANNED_END, runRenewals } from "./renewal_run.ts";

const LIFE_MS = 20_000;
const DURATION_MS = 180_000;
const RENEWALS = 8;

let failed = false;
for (const transport of ["quic", "grpc"] as const) {
  // deno-lint-ignore no-await-in-loop -- the two would take each other's time
  const report = await runRenewals({ transport, lifeMs: LIFE_MS, renewals: RENEWALS, durationMs: DURATION_MS });
  const { requests, failures, renewals, sessions, ends, recoveries, longestRequestMs, tookMs } = report;
  const unplanned = ends.filter((reason) => reason !== PLANNED_END);
  say(
    `${transport}: ${requests} requests in ${
      Math.round(tookMs / 1_000)
    } s, ${failures.length} failed, the longest took ` +
      `${
        Math.round(longestRequestMs)
      } ms; ${renewals} renewals, ${sessions} sessions, ${unplanned.length} unplanned ends, ` +
      `${recoveries} recoveries`,
  );
  for (const failure of failures.slice(0, 10)) say(`  ${failure}`);
  failed ||= failures.length > 0 || unplanned.length > 0 || recoveries > 0 || sessions !== renewals + 1;
}
Deno.exit(failed ? 1 : 0);
