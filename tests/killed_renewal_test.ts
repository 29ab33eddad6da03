import assert from "node:assert/strict";
import { join } from "node:path";
import type { AdminClient } from "../daemon/admin_client.ts";
import { echo } from "../node_host/capabilities/echo.ts";
import type { DeviceView } from "../proto/gen/admin.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { enrolNodes } from "./harness/enrolled_nodes.ts";
import { Fleet } from "./harness/fleet.ts";
import { operatorOf } from "./harness/operator.ts";
import type { RunningProgram } from "./harness/program.ts";
import { within } from "./harness/within.ts";

const PATIENCE_MS = 90_000;
const POLL_MS = 100;

/** What shows from outside how far a renewal or recovery has come. */
type Sign =
  /** An event of the device is on the daemon's disk. */
  | { readonly event: string }
  /** A secret of the node was written, or is gone. */
  | { readonly file: string; readonly gone?: true };

const RENEWAL_STEPS: readonly (readonly [string, Sign])[] = [
  ["the daemon has issued the certificate", { event: "certificate.renewed" }],
  ["the node has it on its disk", { file: "next-key-pair.pem" }],
  ["the node has put the key in its place", { file: "tls-key.pem" }],
  ["the node has put the certificate in its place", { file: "client-certificate.pem" }],
  ["the node has finished the switch", { file: "next-key-pair.pem", gone: true }],
  ["the daemon has noted the first use", { event: "certificate.revoked" }],
  ["the daemon has let the node in", { event: "session.opened" }],
];

const RECOVERY_STEPS: readonly (readonly [string, Sign])[] = [
  ["the node has its new key on its disk", { file: "recovery-tls-key.pem" }],
  ["the daemon has issued the certificate", { event: "certificate.recovered" }],
  ["the node has the certificate on its disk", { file: "next-key-pair.pem" }],
  ["the node has finished the switch", { file: "next-key-pair.pem", gone: true }],
];

const SIDES = ["node", "daemon"] as const;
type Side = typeof SIDES[number];

/** One daemon and its nodes, all real processes, each of which may be killed. */
class Scene implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #ids: ReadonlyMap<string, string>;
  readonly #nodes = new Map<string, RunningProgram>();
  readonly #folder: string;
  #nodeRpc: string;

  private constructor(
    fleet: Fleet,
    folder: string,
    ids: ReadonlyMap<string, string>,
    nodeRpc: string,
  ) {
    this.fleet = fleet;
    this.#folder = folder;
    this.#ids = ids;
    this.#nodeRpc = nodeRpc;
  }

  /** Nodes of these names, whose certificates live so long. */
  static async start(names: readonly string[], validityMs: number): Promise<Scene> {
    const fleet = await Fleet.create();
    const folder = await Deno.makeTempDir({ prefix: "palyra-" });
    const settings = { PALYRA_CERTIFICATE_VALIDITY_MS: String(validityMs) };
    // Below a folder of their own each, where their processes look for them.
    const ids = new Map<string, string>();
    for (const name of names) {
      // deno-lint-ignore no-await-in-loop -- one opens the daemon's state after the other
      const states = await enrolNodes(fleet, join(folder, name), ["node-host"], [echo.name], settings);
      for (const state of states.values()) {
        // deno-lint-ignore no-await-in-loop -- there is one
        ids.set(name, (await state.ensureIdentity()).deviceId);
        state[Symbol.dispose]();
      }
    }
    const { nodeRpc, enrolment } = await fleet.startDaemon();
    const scene = new Scene(fleet, folder, ids, nodeRpc);
    for (const name of names) {
      const path = join(folder, name, "node-host", "node-host.json");
      // deno-lint-ignore no-await-in-loop -- few and small
      const record = JSON.parse(await Deno.readTextFile(path));
      // deno-lint-ignore no-await-in-loop -- few and small
      await Deno.writeTextFile(
        path,
        JSON.stringify({ ...record, node_endpoints: [nodeRpc], enrolment_endpoints: [enrolment] }),
      );
    }
    return scene;
  }

  idOf(name: string): string {
    return this.#ids.get(name) ?? "";
  }

  async startNode(name: string, transport: string): Promise<void> {
    const options = { stateRoot: join(this.#folder, name) };
    this.#nodes.set(name, await this.fleet.startNode(name, ["run", "--transport", transport], options));
  }

  /** Kills one side as the system would, and starts it again. */
  async killAndRestart(side: Side, name: string, transport: string): Promise<void> {
    if (side === "daemon") {
      await this.fleet.restartDaemon("SIGKILL");
      return;
    }
    const node = this.#nodes.get(name);
    node?.kill("SIGKILL");
    await node?.ended;
    await this.startNode(name, transport);
  }

  async stopNode(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    node?.kill("SIGTERM");
    await node?.ended;
  }

  async operator(): Promise<AdminClient> {
    return await operatorOf(this.fleet, this.#nodeRpc);
  }

  /** The newest event of a device. */
  async newestEvent(deviceId: string): Promise<number> {
    using operator = await this.operator();
    let newest = 0;
    for await (const { sequence } of operator.readEvents({ deviceId, afterSequence: undefined, follow: false })) {
      newest = sequence;
    }
    return newest;
  }

  /** Begins to look for a sign, and resolves with a promise that settles when it is there. */
  async lookFor(sign: Sign, name: string): Promise<{ readonly seen: Promise<void> }> {
    if ("event" in sign) {
      const after = await this.newestEvent(this.idOf(name));
      return { seen: this.#eventAfter(this.idOf(name), after, sign.event) };
    }
    const watcher = Deno.watchFs(join(this.#folder, name, "node-host", "secrets"));
    return { seen: untilFile(watcher, sign.file, sign.gone === true) };
  }

  /** Resolves with the device once the node is back and `isDone`. */
  async settled(deviceId: string, isDone: (device: DeviceView) => boolean): Promise<DeviceView> {
    let seen: DeviceView | undefined;
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      // deno-lint-ignore no-await-in-loop -- asks until it is so
      seen = await this.#device(deviceId);
      if (seen !== undefined && seen.connected && isDone(seen)) return seen;
      // deno-lint-ignore no-await-in-loop -- asks until it is so
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new Error(`the node did not come back: ${JSON.stringify(seen)}`);
  }

  /** The daemon may be on its way down or up. */
  async #device(deviceId: string): Promise<DeviceView | undefined> {
    using operator = await this.operator();
    return await operator.getDevice({ deviceId }).catch(() => undefined);
  }

  async #eventAfter(deviceId: string, afterSequence: number, wanted: string): Promise<void> {
    using operator = await this.operator();
    for await (const { name } of operator.readEvents({ deviceId, afterSequence, follow: true })) {
      if (name === wanted) return;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fleet[Symbol.asyncDispose]();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function untilFile(watcher: Deno.FsWatcher, file: string, gone: boolean): Promise<void> {
  for await (const { paths, kind } of watcher) {
    // A file is written under another name first, and gets its own as a whole.
    const isIt = paths.some((path) => path.endsWith(`/${file}`));
    if (isIt && (kind === "remove") === gone) break;
  }
}

async function answers(scene: Scene, deviceId: string): Promise<void> {
  using operator = await scene.operator();
  const inputJson = new TextEncoder().encode('{"text":"there?"}');
  const { state, error } = await operator.execute({ deviceId, capability: "echo", inputJson, timeoutMs: 30_000 });
  assert.equal(state, "succeeded", error);
}

const validOf = ({ certificates }: DeviceView) => certificates.filter(({ revoked }) => !revoked);

Deno.test(
  "a renewal survives that either side is killed at any step: the node is back by itself, with a new certificate",
  CHANNEL_LEFTOVERS,
  async (t) => {
    await using scene = await Scene.start(["laptop"], 86_400_000);
    const deviceId = scene.idOf("laptop");
    let turn = 0;
    await scene.startNode("laptop", "quic");
    await scene.settled(deviceId, () => true);
    for (const [step, sign] of RENEWAL_STEPS) {
      for (const side of SIDES) {
        const transport = ["quic", "grpc"][turn++ % 2] ?? "quic";
        // deno-lint-ignore no-await-in-loop -- one after the other
        await t.step(`the ${side} dies when ${step}`, async () => {
          const before = await scene.settled(deviceId, ({ rotationPending }) => !rotationPending);
          const { seen } = await scene.lookFor(sign, "laptop");
          using operator = await scene.operator();
          await operator.rotateDevice({ deviceId });
          await within(PATIENCE_MS, step, seen);
          await scene.killAndRestart(side, "laptop", transport);
          const after = await scene.settled(
            deviceId,
            (device) => !device.rotationPending && validOf(device).length === 1,
          );
          assert.notEqual(validOf(after)[0]?.fingerprint, validOf(before).at(-1)?.fingerprint);
          assert.equal(after.recoveryCount, 0, "what it had was good all the time");
          await answers(scene, deviceId);
        });
      }
    }
  },
);

Deno.test("a recovery survives that either side is killed at any step", CHANNEL_LEFTOVERS, async (t) => {
  const names = RECOVERY_STEPS.flatMap((_, at) => SIDES.map((side) => `${side}-${at}`));
  await using scene = await Scene.start(names, 1_000);
  for (const [at, [step, sign]] of RECOVERY_STEPS.entries()) {
    for (const side of SIDES) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await t.step(`the ${side} dies when ${step}`, async () => {
        const name = `${side}-${at}`;
        const deviceId = scene.idOf(name);
        const { seen } = await scene.lookFor(sign, name);
        await scene.startNode(name, "grpc");
        await within(PATIENCE_MS, step, seen);
        await scene.killAndRestart(side, name, "grpc");
        const device = await scene.settled(deviceId, () => true);
        assert.ok(device.recoveryCount >= 1 && device.recoveryCount <= 2, `${device.recoveryCount} recoveries`);
        assert.equal(device.recoveryAlarm, "");
        await answers(scene, deviceId);
        await scene.stopNode(name);
      });
    }
  }
});
