import assert from "node:assert/strict";
import type { AdminClient } from "../daemon/admin_client.ts";
import { newUlid } from "../identity/device_id.ts";
import { CapabilityResult, Progress } from "../proto/gen/node.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { quicAvailability } from "../transport/quic/quiche_addon.ts";
import type { TransportName } from "../transport/session.ts";
import { MemorySamples } from "./fuzz/memory_samples.ts";
import { Fleet } from "./harness/fleet.ts";
import { operatorOf } from "./harness/operator.ts";
import { identityOf } from "./harness/paired_device.ts";
import { say } from "./harness/say.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";
import { within } from "./harness/within.ts";

const TRANSPORTS: readonly TransportName[] = quicAvailability().available ? ["quic", "grpc"] : ["grpc"];

/** Nothing here should take longer, in milliseconds. */
const PATIENCE_MS = 60_000;

const utf8 = new TextEncoder();

/** A daemon with two paired nodes: `good` is a real one that runs, `bad` is for a test to play. */
interface Setting {
  readonly fleet: Fleet;
  readonly nodeRpc: string;
  readonly admin: AdminClient;
}

function besides(name: string, transport: TransportName, body: (setting: Setting) => Promise<void>): void {
  Deno.test(
    `a daemon serves its other nodes on while one of them, over ${transport}, ${name}`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using fleet = await Fleet.create();
      const { nodeRpc } = await fleet.startDaemon();
      await fleet.pair("bad");
      await fleet.pair("good");
      await fleet.connect("good");
      using admin = await operatorOf(fleet, nodeRpc);
      await within(PATIENCE_MS, "the test", body({ fleet, nodeRpc, admin }));
    },
  );
}

async function echo(admin: AdminClient, number: number): Promise<number> {
  const began = performance.now();
  const view = await admin.execute({ deviceId: "good", capability: "echo", inputJson: utf8.encode(String(number)) });
  assert.equal(view.state, "succeeded", view.error);
  return performance.now() - began;
}

for (const transport of TRANSPORTS) {
  besides("accepts everything and finishes nothing", transport, async ({ fleet, nodeRpc, admin }) => {
    using bad = await ScriptedNode.connect(nodeRpc, await identityOf(fleet, "bad"), { transport, maxConcurrency: 2 });
    const stuck = Promise.all(
      [1, 2, 3, 4].map(() => admin.execute({ deviceId: "bad", capability: "echo", timeoutMs: 1_500 })),
    );
    for (const { requestId, attempt } of await bad.dispatched(2)) {
      bad.send({ $case: "accepted", value: { attempt: { requestId, attempt } } });
    }
    for (let number = 0; number < 20; number++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await echo(admin, number);
    }
    assert.deepEqual((await stuck).map(({ state }) => state), Array.from({ length: 4 }, () => "timed_out"));
    // The node was told to stop, and what it holds is no longer in the way of others.
    const dispatched = bad.dispatches.map(({ requestId }) => requestId?.ulid);
    const cancelled = bad.received.flatMap((each) =>
      each.$case === "cancel" ? [each.value.attempt?.requestId?.ulid] : []
    );
    await bad.settled();
    assert.deepEqual(cancelled.slice(0, 2).toSorted(), dispatched.slice(0, 2).toSorted());
    const after = admin.execute({ deviceId: "bad", capability: "echo", timeoutMs: 10_000 });
    const { requestId, attempt } = (await bad.dispatched(dispatched.length + 1)).at(-1) ?? assert.fail();
    const result = CapabilityResult.create({
      attempt: { requestId, attempt },
      success: true,
      outputJson: utf8.encode("7"),
    });
    bad.send({ $case: "result", value: result });
    const { state, outputJson } = await after;
    assert.equal(state, "succeeded");
    assert.equal(new TextDecoder().decode(outputJson), "7");
  });

  besides("floods it with progress, results and events", transport, async ({ fleet, nodeRpc, admin }) => {
    using bad = await ScriptedNode.connect(nodeRpc, await identityOf(fleet, "bad"), { transport });
    const flooded = await admin.submit({ deviceId: "bad", capability: "echo" });
    const [dispatch] = await bad.dispatched(1);
    const attempt = { requestId: dispatch?.requestId, attempt: 1 };
    bad.send({ $case: "accepted", value: { attempt } });
    // Somebody watches and never reads on.
    const watch = admin.watch({ requestId: flooded.requestId });
    await watch.next();

    await using memory = MemorySamples.start(fleet.daemon.pid, 100);
    let over = false;
    const flood = sendFlood(bad, attempt).finally(() => over = true);
    let slowestMs = 0;
    let echoes = 0;
    const served = async () => {
      for (; !over; echoes++) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        slowestMs = Math.max(slowestMs, await echo(admin, echoes));
      }
    };
    await Promise.all([flood, served()]);
    const { firstThird, peak } = memory.report(0);
    say(
      `${
        FLOOD_ROUNDS * FLOOD_BATCH * 3
      } messages of 4 KiB over ${transport}; meanwhile ${echoes} requests of another node, the slowest ` +
        `in ${slowestMs.toFixed(0)} ms; memory at first ${mebibytes(firstThird)}, at most ${mebibytes(peak)}`,
    );
    assert.ok(peak < MOST_MEMORY_BYTES, `the daemon held ${mebibytes(peak)}`);
    assert.ok(slowestMs < RESPONSIVE_MS, `another node's request took ${slowestMs.toFixed(0)} ms`);
    await watch.return();

    const result = CapabilityResult.create({ attempt, success: true, outputJson: utf8.encode("1") });
    bad.send({ $case: "result", value: result });
    await bad.acknowledged(flooded.requestId);
    assert.equal((await admin.getRequest({ requestId: flooded.requestId })).state, "succeeded");
  });
}

const FLOOD_ROUNDS = 100;
const FLOOD_BATCH = 100;
/** Less than was sent: what is kept of it is bounded. */
const MOST_MEMORY_BYTES = 300 * 1024 * 1024;
/** A flooded daemon still answers within this, in milliseconds. */
const RESPONSIVE_MS = 2_000;

/** Sends it in batches, each after the daemon has dealt with the one before, so that the node's own side holds little. */
async function sendFlood(bad: ScriptedNode, attempt: CapabilityResult["attempt"]): Promise<void> {
  const payloadJson = utf8.encode(JSON.stringify("f".repeat(4_094)));
  for (let round = 0; round < FLOOD_ROUNDS; round++) {
    for (let index = 0; index < FLOOD_BATCH; index++) {
      const sequence = round * FLOOD_BATCH + index + 1;
      bad.send({ $case: "progress", value: Progress.create({ attempt, sequence, payloadJson }) });
      const unknown = { requestId: { ulid: newUlid() }, attempt: 1 };
      const result = CapabilityResult.create({ attempt: unknown, success: true, outputJson: payloadJson });
      bad.send({ $case: "result", value: result });
      bad.sendEvent("test.flood", payloadJson);
    }
    // deno-lint-ignore no-await-in-loop -- one batch after the other
    await bad.settled();
  }
}

function mebibytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(0)} MiB`;
}
