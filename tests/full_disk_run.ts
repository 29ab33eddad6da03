/**
 * A real palyrad whose disk is full for a while; run by `full_disk_test.ts` in a mount namespace of its own, as root.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Capability } from "../node_host/capabilities/capability.ts";
import { echo } from "../node_host/capabilities/echo.ts";
import { Fleet } from "./harness/fleet.ts";
import { InProcessNode } from "./harness/in_process_node.ts";
import { operatorOf } from "./harness/operator.ts";

/** Room for a database with some requests in it. */
const DISK = "8m";
const LARGE = 256 * 1024;

async function run(command: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command, { args, stdout: "null", stderr: "piped" }).output();
  if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}

/** Writes until nothing fits any more. */
function fill(path: string): void {
  using file = Deno.openSync(path, { create: true, write: true });
  for (let bytes = 64 * 1024; bytes >= 1; bytes = Math.floor(bytes / 4)) {
    try {
      for (;;) file.writeSync(new Uint8Array(bytes));
    } catch {
      // Less may still fit.
    }
  }
}

const isRefused = (thrown: unknown) => thrown instanceof PalyraError && thrown.code === "state_read_only";

await using fleet = await Fleet.create();
await Deno.mkdir(fleet.daemonRoot, { recursive: true });
await run("mount", "-t", "tmpfs", "-o", `size=${DISK}`, "tmpfs", fleet.daemonRoot);
await using disposal = new AsyncDisposableStack();
// Before the fleet removes its folders; what still runs keeps what it has open.
disposal.defer(() => run("umount", "--lazy", fleet.daemonRoot));
const nodes = await Deno.makeTempDir();
disposal.defer(() => Deno.remove(nodes, { recursive: true }));

const [node] = await InProcessNode.enrol(fleet, nodes, ["laptop"]);
assert.ok(node);
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

const ballast = join(fleet.daemonRoot, "ballast");
fill(ballast);
// What the log still has room for is rightly accepted.
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
await fleet.daemon.line((line) => line.includes("No room is left for the state database"));
const runsWhenFull = runs;

// The daemon goes on answering, and the result of what runs is kept until it can be written.
gate.resolve();
await fleet.daemon.line((line) => line.includes("The end of a request could not be written"));
assert.equal((await admin.getStatus({})).nodesConnected, 1);
await assert.rejects(admin.submit(order("z".repeat(LARGE))), isRefused);

await Deno.remove(ballast);
const ended = await waiting;
assert.equal(ended.state, "succeeded");
assert.equal(ended.outputJson.length > LARGE, true);
const again = await admin.execute(order("after"));
assert.equal(again.state, "succeeded");

const { requests } = await admin.listRequests({ deviceId: "", state: "", limit: 100 });
assert.equal(requests.length, accepted + 2, "what was refused is not there");
assert.ok(runsWhenFull <= accepted + 1 && runs === accepted + 2, `${runs} runs for ${accepted} accepted ones`);

// And it is all on disk.
await fleet.restartDaemon("SIGKILL");
using reopened = await operatorOf(fleet, nodeRpc);
assert.equal((await reopened.getRequest({ requestId: ended.requestId })).state, "succeeded");
