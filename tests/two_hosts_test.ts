import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { ONCE, REPEATABLE } from "./chaos/chaos_capability.ts";
import { ChaosClient } from "./chaos/chaos_client.ts";
import { ChaosLoad } from "./chaos/chaos_load.ts";
import type { ChaosOrder } from "./chaos/chaos_order.ts";
import { ChaosSite } from "./chaos/chaos_site.ts";
import { RequestBook } from "./chaos/request_book.ts";
import { storedRequests } from "./chaos/stored_request.ts";
import { say } from "./harness/say.ts";
import { within } from "./harness/within.ts";

const REQUESTS = 120;

/** Long enough that each host has the other's work cut off time and again, in milliseconds. */
const PATIENCE_MS = 90_000;

function order(number: number, node: string): ChaosOrder {
  return {
    number,
    node,
    kind: "slow",
    capability: number % 4 === 0 ? REPEATABLE : ONCE,
    way: "execute",
    workMs: (number % 5) * 100,
    timeoutMs: 60_000,
    ttlMs: 0,
    keyed: true,
    onDisconnect: (["", "wait", "fail"] as const)[number % 3] ?? "",
    priority: "normal",
    cancelAfterMs: undefined,
  };
}

for (const transport of ["quic", "grpc"] as const) {
  Deno.test(
    `two hosts with one identity over ${transport} run nothing twice, and both are told`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using site = await ChaosSite.start({ transports: [transport], seed: 1 });
      const [node = ""] = site.nodeNames;
      using client = new ChaosClient(site);
      const book = new RequestBook();
      const load = new ChaosLoad(client, book);
      let next = 0;
      const caller = async () => {
        while (next < REQUESTS) {
          // deno-lint-ignore no-await-in-loop -- one request after the other
          await load.run(order(next++, node));
        }
      };
      const calls = Promise.all(Array.from({ length: 8 }, caller));
      // Somebody restores a backup of the state folder on another machine while the first host is at work.
      await sleep(500);
      const hosts = await site.doubleNode(node);
      await within(PATIENCE_MS, "the requests", calls);
      const told = hosts.map((host) => host.line((line) => line.includes('"code":"session_replaced"')));
      await within(PATIENCE_MS, "telling both hosts", Promise.all(told));
      await site.stopDaemon();

      const runs = Map.groupBy((await site.effects(node)).once, ({ number }) => number);
      assert.deepEqual([...runs.values()].filter((each) => each.length > 1), []);
      const stored = storedRequests(site.database);
      assert.equal(stored.length, REQUESTS);
      const ends = Map.groupBy(stored, ({ state }) => state);
      assert.deepEqual([...ends.keys()].filter((state) => !["succeeded", "failed", "lost"].includes(state)), []);
      for (const { number } of ends.get("succeeded") ?? []) {
        assert.ok(number % 4 === 0 || runs.get(number)?.length === 1, `request ${number} succeeded without having run`);
      }
      assert.deepEqual(book.faults, []);
      say(`two hosts: ${[...ends].map(([state, all]) => `${all.length} ${state}`).join(", ")}`);
    },
  );
}
