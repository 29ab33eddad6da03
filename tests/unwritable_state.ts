import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Capability } from "../node_host/capabilities/capability.ts";
import { echo } from "../node_host/capabilities/echo.ts";
import type { Fleet } from "./harness/fleet.ts";
import { InProcessNode } from "./harness/in_process_node.ts";
import { operatorOf } from "./harness/operator.ts";

const LARGE = 256 * 1024;

/** How the daemon's state is made unwritable while the daemon runs. */
export interface Spoiling {
  readonly spoil: () => Promise<void>;
  readonly mend: () => Promise<void>;
  /** What the daemon's log then says of its database. */
  readonly said: string;
}

const isRefused = (thrown: unknown) => thrown instanceof PalyraError && thrown.code === "state_read_only";

/**
 * A real palyrad that cannot write its state for a while accepts nothing, keeps what it owes, and goes on when it can.
 * `folder` is for the state of a node.
 */
export async function livesThroughUnwritableState(fleet: Fleet, folder: string, spoiling: Spoiling): Promise<void> {
  const { spoil, mend, said } = spoiling;
  const [node] = await InProcessNode.enrol(fleet, folder, ["laptop"]);
  assert.ok(node);
  await using disposal = new AsyncDisposableStack();
  const { nodeRpc } = await fleet.startDaemon();
  disposal.use(node);

  const started = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const slow: Capability = {
    ...echo,
    idempotent: false,
    run: async (input, context) => {
      runs++;
      if (input === "slow") {
        started.resolve();
        await gate.promise;
        return { echo: "x".repeat(LARGE), device_id: context.deviceId };
      }
      return await echo.run(input, context);
    },
  };
  await node.start({ transport: "grpc", endpoint: nodeRpc, echo: slow });
  using admin = await operatorOf(fleet, nodeRpc);
  const inputOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  const order = (value: unknown) => ({
    deviceId: "laptop",
    capability: "echo",
    inputJson: inputOf(value),
    maxPayloadBytes: 2 * LARGE,
    timeoutMs: 120_000,
  });

  const waiting = admin.execute(order("slow"));
  // What else goes wrong is to be told first.
  waiting.catch(() => {});
  await started.promise;

  await spoil();
  // What there still is room for is rightly accepted.
  let accepted = 0;
  const refusal = await (async () => {
    for (; accepted < 64; accepted++) {
      try {
        // deno-lint-ignore no-await-in-loop -- until it is refused
        await admin.submit(order("y".repeat(LARGE)));
      } catch (thrown) {
        return thrown;
      }
    }
    return undefined;
  })();
  assert.ok(isRefused(refusal), `refused with ${refusal}`);
  assert.match(String(refusal), /cannot write its state/);
  await fleet.daemon.line((line) => line.includes(said));
  const runsWhenSpoilt = runs;

  // The daemon goes on answering, and the result of what runs is kept until it can be written.
  gate.resolve();
  await fleet.daemon.line((line) => line.includes("The end of a request could not be written"));
  assert.equal((await admin.getStatus({})).nodesConnected, 1);
  await assert.rejects(admin.submit(order("z".repeat(LARGE))), isRefused);

  await mend();
  const ended = await waiting;
  assert.equal(ended.state, "succeeded");
  assert.equal(ended.outputJson.length > LARGE, true);
  const again = await admin.execute(order("after"));
  assert.equal(again.state, "succeeded");

  const { requests } = await admin.listRequests({ deviceId: "", state: "", limit: 100 });
  assert.equal(requests.length, accepted + 2, "what was refused is not there");
  assert.ok(runsWhenSpoilt <= accepted + 1 && runs === accepted + 2, `${runs} runs for ${accepted} accepted ones`);

  // And it is all on disk.
  await fleet.restartDaemon("SIGKILL");
  using reopened = await operatorOf(fleet, nodeRpc);
  assert.equal((await reopened.getRequest({ requestId: ended.requestId })).state, "succeeded");
}
