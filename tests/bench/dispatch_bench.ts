import { setTimeout as sleep } from "node:timers/promises";
import { tableLines } from "../../transport/program/terminal_table.ts";
import type { AdminClient } from "../../daemon/admin_client.ts";
import type { Capability } from "../../node_host/capabilities/capability.ts";
import { echo } from "../../node_host/capabilities/echo.ts";
import { Fleet } from "../harness/fleet.ts";
import { InProcessNode } from "../harness/in_process_node.ts";
import { operatorOf } from "../harness/operator.ts";
import { type Latency, summarise } from "./latency.ts";

const ROUNDS = 5;
const REQUESTS_PER_ROUND = 200;
const WARM_UP = 500;

/** Between two requests, so that the node is idle; in milliseconds. */
const REST_MS = 3;

/** What a dispatch may take at the median, in milliseconds. */
const WANTED_MS = 5;

const utf8 = new TextEncoder();

/**
 * Measures how long it takes from an operator's call until the capability starts on an idle node: by way of the daemon's
 * disk, and of the node's journal where the capability must not run twice. Operator and node are one process, so that one
 * clock sees both ends.
 */
export async function benchDispatch(print: (line: string) => void): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const fleet = stack.use(await Fleet.create());
  const folder = await Deno.makeTempDir({ prefix: "palyra-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const cases = (["grpc", "quic"] as const).flatMap((transport) =>
    [false, true].map((idempotent) => ({ transport, idempotent, starts: new Map<number, number>() }))
  );
  const nameOf = (index: number) => `node-${index}`;
  const nodes = await InProcessNode.enrol(fleet, folder, cases.map((_, index) => nameOf(index)));
  const { nodeRpc } = await fleet.startDaemon([], { PALYRA_LOG_LEVEL: "info" });
  const admin = stack.use(await operatorOf(fleet, nodeRpc));
  for (const [index, node] of nodes.entries()) {
    stack.use(node);
    const each = cases[index];
    if (each === undefined) throw new Error("there are more nodes than cases");
    const { transport, idempotent, starts } = each;
    // deno-lint-ignore no-await-in-loop -- one after the other
    await node.start({ transport, endpoint: nodeRpc, echo: startingEcho(idempotent, starts) });
  }
  const samples = cases.map((): number[] => []);
  for (const [index, { starts }] of cases.entries()) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await dispatches(admin, nameOf(index), starts, WARM_UP);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, { starts }] of cases.entries()) {
      // deno-lint-ignore no-await-in-loop -- one after the other, so that none disturbs another
      samples[index]?.push(...await dispatches(admin, nameOf(index), starts, REQUESTS_PER_ROUND));
    }
  }
  print("");
  print(`Dispatch to an idle node, durable, from the call to the capability's start: ${ROUNDS} interleaved rounds`);
  print("");
  const results = cases.map(({ transport, idempotent }, index) => ({
    name: `${transport}, ${idempotent ? "may be repeated" : "must not run twice"}`,
    latency: summarise(samples[index] ?? [], 1),
  }));
  for (const line of dispatchLines(results)) print(line);
}

function dispatchLines(results: readonly { readonly name: string; readonly latency: Latency }[]): string[] {
  return tableLines({
    columns: [
      { title: "CAPABILITY" },
      { title: "P50 MS", align: "right" },
      { title: "P99 MS", align: "right" },
      { title: `WANTED P50 < ${WANTED_MS}` },
    ],
    rows: results.map(({ name, latency }) => [
      name,
      latency.p50.toFixed(3),
      latency.p99.toFixed(3),
      latency.p50 < WANTED_MS ? "ok" : "MISSED",
    ]),
  });
}

/** An echo that notes when it starts, by its input. */
function startingEcho(idempotent: boolean, starts: Map<number, number>): Capability {
  return {
    ...echo,
    idempotent,
    run: (input, context) => {
      starts.set(Number(input), performance.now());
      return echo.run(input, context);
    },
  };
}

/** So many requests, one after the other; how long each took to start, in milliseconds. */
async function dispatches(
  admin: AdminClient,
  node: string,
  starts: Map<number, number>,
  count: number,
): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < count; index++) {
    const number = starts.size;
    // deno-lint-ignore no-await-in-loop -- one after the other
    await sleep(REST_MS);
    const began = performance.now();
    // deno-lint-ignore no-await-in-loop -- one after the other
    const { state, error } = await admin.execute({
      deviceId: node,
      capability: "echo",
      inputJson: utf8.encode(String(number)),
    });
    if (state !== "succeeded") throw new Error(`execute ended as ${state}: ${error}`);
    took.push((starts.get(number) ?? NaN) - began);
  }
  return took;
}
