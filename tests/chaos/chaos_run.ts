import { setTimeout as sleep } from "node:timers/promises";
import { Chance } from "../harness/chance.ts";
import { within } from "../harness/within.ts";
import { ChaosClient } from "./chaos_client.ts";
import { ChaosLoad } from "./chaos_load.ts";
import { chaosOrder } from "./chaos_order.ts";
import { chaosReport } from "./chaos_report.ts";
import { ChaosSite } from "./chaos_site.ts";
import { judge } from "./chaos_verdict.ts";
import { DisasterPace } from "./disaster_pace.ts";
import { RequestBook } from "./request_book.ts";
import { Saboteur } from "./saboteur.ts";
import { storedRequests } from "./stored_request.ts";

/** Requests that clients are busy with at once. */
const CLIENTS = 48;

/** How long what was accepted may take to end after the last disaster, in milliseconds. */
const SETTLE_MS = 60_000;

/** No more faults than this are told in full. */
const FAULTS_TOLD = 20;

/** How much is done, and from which seed. */
export interface ChaosPlan {
  readonly requests: number;
  /** Processes killed with `kill -9`. */
  readonly kills: number;
  readonly seed: number;
  /** The run fails when it takes longer. */
  readonly minutes: number;
}

/**
 * Lets clients make requests of all kinds while the daemon, its nodes and the links between them are destroyed and repaired,
 * and balances the account at the end. The same seed makes the same requests and the same choices of what is destroyed;
 * what meets what is up to the machine.
 *
 * Throws when a promise of design section 5 was broken; what was seen is kept in a folder then, whose name is told.
 */
export async function runChaos(plan: ChaosPlan, tell: (line: string) => void): Promise<void> {
  const { requests, kills, seed, minutes } = plan;
  tell(`seed ${seed}; again: deno task chaos --requests ${requests} --kills ${kills} --seed ${seed}`);
  const began = performance.now();
  await using site = await ChaosSite.start({ transports: ["quic", "grpc", "quic", "grpc"], seed });
  const book = new RequestBook();
  try {
    await within(minutes * 60_000, "the run", destroyAndAsk(plan, site, book, tell));
    await settle(site);
    tell(`audit: ${await site.verifyAudit()}`);
    await site.stopDaemon();
    tell(`audit: ${await site.verifyAudit()}`);
    const effects = new Map(
      await Promise.all(site.nodeNames.map(async (name) => [name, await site.effects(name)] as const)),
    );
    const evidence = {
      booked: book.entries,
      stored: storedRequests(site.database),
      effects,
      disasters: site.disasters,
    };
    for (const line of chaosReport(evidence)) tell(line);
    const faults = [...book.faults, ...judge(evidence)];
    if (faults.length > 0) {
      throw new Error(`${faults.length} faults:\n${faults.slice(0, FAULTS_TOLD).join("\n")}`);
    }
    tell(`seed ${seed}: no fault; ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  } catch (error) {
    tell(`seed ${seed}: failed; what was seen is kept in ${await site.keepEvidence()}`);
    throw error;
  }
}

async function destroyAndAsk(
  { requests, kills, seed }: ChaosPlan,
  site: ChaosSite,
  book: RequestBook,
  tell: (line: string) => void,
): Promise<void> {
  using client = new ChaosClient(site);
  const load = new ChaosLoad(client, book);
  const chance = new Chance(seed);
  const pace = new DisasterPace(requests, kills, new Chance(seed + 1));
  let next = 0;
  const worker = async () => {
    while (next < requests) {
      const number = next++;
      // Numbers are given out in order, so each request is the same for the same seed.
      const order = chaosOrder(number, site.nodeNames, chance);
      // deno-lint-ignore no-await-in-loop -- each client has one request under way
      await pace.mayMake(number);
      // deno-lint-ignore no-await-in-loop -- each client has one request under way
      await load.run(order);
    }
  };
  const disasters = new Saboteur(site, new Chance(seed + 2)).run(kills, pace).then((done) => {
    pace.over();
    tell(
      `killed: the daemon ${done.daemonKills} times, nodes ${done.nodeKills} times; links broken ${done.linkBreaks} times`,
    );
  });
  await Promise.all([disasters, ...Array.from({ length: CLIENTS }, worker)]);
}

/** Waits until nothing is left over, with every process up and every link whole. */
async function settle(site: ChaosSite): Promise<void> {
  using client = new ChaosClient(site);
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- asks again until all has ended
    const status = await client.untilAnswered((admin) => admin.getStatus({}));
    if (status.requestsQueued + status.requestsInFlight === 0) return;
    if (performance.now() > until) {
      throw new Error(
        `${status.requestsQueued} requests are still queued and ${status.requestsInFlight} in flight, with ` +
          `${status.nodesConnected} nodes connected`,
      );
    }
    // deno-lint-ignore no-await-in-loop -- asks again until all has ended
    await sleep(100);
  }
}
