import assert from "node:assert/strict";
import { echo } from "../node_host/capabilities/echo.ts";
import type { Capability } from "../node_host/capabilities/capability.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { runJson, runProgram } from "./harness/program.ts";
import { RestartedNode } from "./harness/restarted_node.ts";
import { within } from "./harness/within.ts";

const DAY_MS = 86_400_000;
const PATIENCE_MS = 60_000;

const utf8 = new TextEncoder();

/** `echo`, which answers only when the test lets it. */
function heldEcho(): {
  readonly capability: Capability;
  readonly started: Promise<void>;
  readonly release: () => void;
} {
  const started = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  const capability: Capability = {
    ...echo,
    run: async (input, context) => {
      started.resolve();
      await released.promise;
      return await echo.run(input, context);
    },
  };
  return { capability, started: started.promise, release: released.resolve };
}

for (const transport of ["quic", "grpc"] as const) {
  Deno.test(
    `a node that is asked for a new certificate over ${transport} uses it at once, and what it runs goes on`,
    CHANNEL_LEFTOVERS,
    async () => {
      await using daemon = await InProcessDaemon.start();
      await using node = await RestartedNode.enrol(daemon, DAY_MS);
      await daemon.restart();
      const { deviceId } = node;
      const held = heldEcho();
      await node.start({ transport, echo: held.capability });
      const { epoch = 0 } = await within(PATIENCE_MS, "the first session", node.connected());
      const inputJson = utf8.encode('{"text":"held"}');
      const running = daemon.operator.execute({ deviceId, capability: "echo", inputJson, timeoutMs: PATIENCE_MS });
      await within(PATIENCE_MS, "the start of the request", held.started);
      const [before] = (await daemon.operator.getDevice({ deviceId })).certificates;
      assert.deepEqual(await daemon.operator.rotateDevice({ deviceId }), { deviceId, asked: true });
      await within(PATIENCE_MS, "the next session", node.status((status) => (status.epoch ?? 0) > epoch));
      held.release();
      const done = await running;
      assert.deepEqual([done.state, done.attempt], ["succeeded", 1]);
      const device = await daemon.operator.getDevice({ deviceId });
      assert.equal(device.rotationPending, false);
      assert.deepEqual(device.certificates.map(({ fingerprint, revokedReason }) => [fingerprint, revokedReason]), [
        [before?.fingerprint, "superseded"],
        [device.certificates[1]?.fingerprint, ""],
      ]);
      assert.equal(device.recoveryCount, 0);
      const epochs = new Set(node.statuses.flatMap((status) => status.epoch ?? []));
      assert.deepEqual([...epochs], [epoch, epoch + 1], "one reconnect");
    },
  );
}

Deno.test(
  "palyrad devices rotate asks a node that is off as soon as it connects, and says so meanwhile",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, DAY_MS);
    await daemon.restart();
    const { deviceId } = node;
    const stateRoot = daemon.root;
    assert.deepEqual(await runJson("palyrad", ["devices", "rotate", "laptop"], { stateRoot }), {
      device_id: deviceId,
      asked: false,
    });
    const shown = await runProgram("palyrad", ["devices", "show", deviceId], { stateRoot });
    assert.match(shown.stdout, /rotation\s+asked for, and not done yet/);
    await node.start({ transport: "grpc" });
    await within(PATIENCE_MS, "the rotation", node.status(({ epoch = 0 }) => epoch === 2));
    const device = await daemon.operator.getDevice({ deviceId });
    assert.equal(device.rotationPending, false);
    assert.deepEqual(device.certificates.map(({ revoked }) => revoked), [true, false]);
    const unknown = await runProgram("palyrad", ["devices", "rotate", "nobody"], { stateRoot });
    assert.match(unknown.stderr, /palyrad devices list/);
    assert.notEqual(unknown.code, 0);
  },
);

Deno.test(
  "palyrad devices recovery shows, forbids and allows, and refuses what contradicts itself",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, DAY_MS);
    await daemon.restart();
    const { deviceId } = node;
    const options = { stateRoot: daemon.root };
    const recovery = (...args: string[]) => runJson("palyrad", ["devices", "recovery", ...args], options);
    assert.equal((await recovery("LAPTOP")).recovery_allowed, true);
    assert.equal((await recovery(deviceId, "--forbid")).recovery_allowed, false);
    const shown = await runProgram("palyrad", ["devices", "show", deviceId], options);
    assert.match(shown.stdout, /recovery\s+forbidden/);
    assert.equal((await recovery(deviceId, "--allow", "--acknowledge")).recovery_allowed, true);
    const both = await runProgram("palyrad", ["devices", "recovery", deviceId, "--allow", "--forbid"], options);
    assert.match(both.stderr, /--allow or --forbid/);
    assert.notEqual(both.code, 0);
    const kinds = daemon.audit().map(({ kind }) => kind).filter((kind) => kind === "device.recovery_set");
    assert.equal(kinds.length, 2);
  },
);
