import assert from "node:assert/strict";
import type { AdminClient, RequestOrder } from "../daemon/admin_client.ts";
import { hasEnded, isRequestState } from "../daemon/request_state.ts";
import type { RequestView } from "../proto/gen/admin.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import type { TransportName } from "../transport/session.ts";
import { ONCE } from "./chaos/chaos_capability.ts";
import { ChaosClient } from "./chaos/chaos_client.ts";
import { ChaosSite } from "./chaos/chaos_site.ts";
import { within } from "./harness/within.ts";

/** How long an end may take, in milliseconds. */
const PATIENCE_MS = 30_000;

/** A real daemon, and a real node that is not there. */
class OfflineNode implements AsyncDisposable {
  readonly site: ChaosSite;
  readonly node: string;
  readonly #client: ChaosClient;

  private constructor(site: ChaosSite, node: string) {
    this.site = site;
    this.node = node;
    this.#client = new ChaosClient(site);
  }

  static async start(transport: TransportName): Promise<OfflineNode> {
    const site = await ChaosSite.start({ transports: [transport], seed: 1 });
    const [node = ""] = site.nodeNames;
    await site.killNode(node);
    await site.disconnected();
    return new OfflineNode(site, node);
  }

  /** Asks for something that leaves a line with its number behind; resolves with the request's id. */
  async submit(number: number, changes: Partial<RequestOrder> = {}): Promise<string> {
    const inputJson = new TextEncoder().encode(JSON.stringify({ number, workMs: 0, fails: false }));
    const { requestId } = await this.#client.once((admin) =>
      admin.submit({ deviceId: this.node, capability: ONCE, inputJson, ...changes })
    );
    return requestId;
  }

  /** The request once it has ended. */
  async ended(requestId: string): Promise<RequestView> {
    return await within(
      PATIENCE_MS,
      `the end of ${requestId}`,
      this.#client.untilAnswered((admin) => endOf(admin, requestId)),
    );
  }

  async restartDaemon(): Promise<void> {
    await this.site.killDaemon();
    await this.site.startDaemon();
  }

  /** The numbers of what ran on it. */
  async ran(): Promise<number[]> {
    return (await this.site.effects(this.node)).once.map(({ number }) => number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.site[Symbol.asyncDispose]();
  }
}

async function endOf(admin: AdminClient, requestId: string): Promise<RequestView> {
  for await (const { event } of admin.watch({ requestId })) {
    if (event?.$case === "state" && isRequestState(event.value.state) && hasEnded(event.value.state)) {
      return event.value;
    }
  }
  throw new Error(`the watch of ${requestId} ended before it`);
}

for (const transport of ["quic", "grpc"] as const) {
  Deno.test(
    `a request for an offline node runs over ${transport} when the node comes before its time to live is over`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using setting = await OfflineNode.start(transport);
      const waiting = await setting.submit(1, { ttlMs: 600_000 });
      const kept = await setting.submit(2, { ttlMs: 600_000 });
      setting.site.startNode(setting.node);
      assert.equal((await setting.ended(waiting)).state, "succeeded");
      assert.equal((await setting.ended(kept)).state, "succeeded");
      assert.deepEqual((await setting.ran()).toSorted(), [1, 2]);
    },
  );
}

Deno.test(
  "requests past their deadline or time to live never run, and those beside them do",
  CHANNEL_LEFTOVERS,
  async () => {
    await using setting = await OfflineNode.start("grpc");
    const pastDeadline = await setting.submit(1, { timeoutMs: 300 });
    const pastTtl = await setting.submit(2, { ttlMs: 300 });
    const other = await setting.submit(3);
    const [deadline, ttl] = await Promise.all([setting.ended(pastDeadline), setting.ended(pastTtl)]);
    assert.deepEqual([deadline.state, deadline.errorCode, deadline.attempt], ["timed_out", "deadline_exceeded", 0]);
    assert.deepEqual([ttl.state, ttl.errorCode, ttl.attempt], ["timed_out", "ttl_expired", 0]);
    setting.site.startNode(setting.node);
    assert.equal((await setting.ended(other)).state, "succeeded");
    assert.deepEqual(await setting.ran(), [3]);
  },
);

Deno.test(
  "requests whose deadline or time to live passes while the daemon is dead never run, and those beside them do",
  CHANNEL_LEFTOVERS,
  async () => {
    await using setting = await OfflineNode.start("quic");
    const [pastDeadline, pastTtl, other] = await Promise.all([
      setting.submit(1, { timeoutMs: 1_000 }),
      setting.submit(2, { ttlMs: 1_000 }),
      setting.submit(3),
    ]);
    const over = Date.now() + 1_000;
    await setting.site.killDaemon();
    // The node is there before the daemon is: nothing but the time itself keeps them from running.
    setting.site.startNode(setting.node);
    await new Promise((resolve) => setTimeout(resolve, over - Date.now()));
    await setting.site.startDaemon();
    const ends = await Promise.all([pastDeadline, pastTtl, other].map((id) => setting.ended(id)));
    assert.deepEqual(ends.map(({ state }) => state), ["timed_out", "timed_out", "succeeded"]);
    // And after another restart they are still over.
    await setting.restartDaemon();
    await setting.site.connected(setting.node);
    const still = await Promise.all([pastDeadline, pastTtl, other].map((id) => setting.ended(id)));
    assert.deepEqual(still.map(({ state }) => state), ["timed_out", "timed_out", "succeeded"]);
    assert.deepEqual(await setting.ran(), [3]);
  },
);
