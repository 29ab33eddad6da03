import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { ONCE, REPEATABLE } from "./chaos/chaos_capability.ts";
import { ChaosClient } from "./chaos/chaos_client.ts";
import { ChaosLoad } from "./chaos/chaos_load.ts";
import { AMPLE_MS, type ChaosOrder } from "./chaos/chaos_order.ts";
import { ChaosSite } from "./chaos/chaos_site.ts";
import { judge } from "./chaos/chaos_verdict.ts";
import { RequestBook } from "./chaos/request_book.ts";
import { storedRequests } from "./chaos/stored_request.ts";
import { within } from "./harness/within.ts";

const CALLERS = 500;

/** How long each step may take, in milliseconds. */
const PATIENCE_MS = 60_000;

function order(number: number, node: string): ChaosOrder {
  return {
    number,
    node,
    kind: "quick",
    capability: number % 3 === 0 ? REPEATABLE : ONCE,
    way: number % 2 === 0 ? "execute" : "watch",
    workMs: number % 10,
    timeoutMs: AMPLE_MS,
    ttlMs: 0,
    keyed: true,
    onDisconnect: "",
    priority: "normal",
    cancelAfterMs: undefined,
  };
}

for (const transport of ["quic", "grpc"] as const) {
  Deno.test(
    `${CALLERS} callers who wait while their daemon is killed get the result of their own request over ${transport}`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using site = await ChaosSite.start({ transports: [transport], seed: 1 });
      const [node = ""] = site.nodeNames;
      using client = new ChaosClient(site);
      const book = new RequestBook();
      const load = new ChaosLoad(client, book);
      // No result comes before the daemon is killed.
      const repair = site.breakLink(node, "stalled");
      const calls = Promise.all(Array.from({ length: CALLERS }, (_, number) => load.run(order(number, node))));
      await within(PATIENCE_MS, "accepting the requests", unfinished(client, CALLERS));
      await site.killDaemon();
      await site.startDaemon();
      repair();
      await within(PATIENCE_MS, "the answers", calls);
      await site.stopDaemon();

      const stored = storedRequests(site.database);
      const effects = new Map([[node, await site.effects(node)]]);
      assert.deepEqual(judge({ booked: book.entries, stored, effects, disasters: site.disasters }), []);
      assert.deepEqual(book.faults, []);
      assert.equal(stored.length, CALLERS);
      for (const { order, told, repeats } of book.entries.values()) {
        // Who was answered before the kill may have had no time to begin watching.
        assert.ok(
          order.way === "watch" || repeats > 0,
          `the caller of request ${order.number} did not have to come back`,
        );
        assert.deepEqual(told, [{ state: "succeeded", by: order.way }], `request ${order.number}`);
      }
    },
  );
}

/** Resolves when the daemon has so many requests that have not ended. */
async function unfinished(client: ChaosClient, count: number): Promise<void> {
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- asks again until there are so many
    const { requestsQueued, requestsInFlight } = await client.once((admin) => admin.getStatus({}));
    if (requestsQueued + requestsInFlight === count) return;
    // deno-lint-ignore no-await-in-loop -- asks again until there are so many
    await sleep(20);
  }
}
