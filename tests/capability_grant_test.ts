import assert from "node:assert/strict";
import type { AdminClient } from "../daemon/admin_client.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { RequestView } from "../proto/gen/admin.ts";
import { CapabilityResult, DeviceCapability, RegisterNodeRequest } from "../proto/gen/node.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { nodeClient, type TestIdentity } from "./harness/paired_device.ts";
import { PairingDevice } from "./harness/pairing_device.ts";
import { ScriptedNode } from "./harness/scripted_node.ts";
import { within } from "./harness/within.ts";

/** How long the whole of a test may take, in milliseconds. */
const PATIENCE_MS = 60_000;

/** A daemon and a node that asked for `wants` when it was approved in advance. */
function granted(
  name: string,
  wants: readonly string[],
  body: (site: { daemon: InProcessDaemon; node: TestIdentity; device: PairingDevice }) => Promise<void>,
): void {
  Deno.test(name, CHANNEL_LEFTOVERS, async () => {
    await using daemon = await InProcessDaemon.start();
    const device = await PairingDevice.create({ wants });
    const { secretText } = await daemon.mint({ approve: true });
    const node = await device.identityBy(await device.pair(daemon.enrolment, secretText));
    await within(PATIENCE_MS, "the test", body({ daemon, node, device }));
  });
}

const isError = (code: ReasonCode, about: RegExp) => (thrown: unknown) => {
  assert.ok(thrown instanceof PalyraError && thrown.code === code, `${thrown}`);
  assert.match(thrown.message, about);
  return true;
};

async function isRefused(operator: AdminClient, capability: string, code: ReasonCode): Promise<void> {
  const { deviceId } = (await operator.listDevices({ includeRevoked: false, afterDeviceId: "" })).devices
    .find(({ clientKind }) => clientKind === "node") ?? assert.fail();
  const cure = new RegExp(`palyrad devices grant ${deviceId} ${capability}`);
  await assert.rejects(operator.submit({ deviceId: "laptop", capability }), isError(code, cure));
}

/** Answers everything that the node is sent, and has been sent. */
function answer(node: ScriptedNode, requestId: string | undefined, attempt = 1): void {
  const result = CapabilityResult.create({
    attempt: { requestId: { ulid: requestId ?? "" }, attempt },
    success: true,
    outputJson: new TextEncoder().encode("1"),
  });
  node.send({ $case: "result", value: result });
}

async function eventsOf({ operator }: InProcessDaemon, name: string): Promise<unknown[]> {
  const events = [];
  for await (const event of operator.readEvents({ deviceId: "laptop", afterSequence: 0, follow: false })) {
    if (event.name === name) events.push(JSON.parse(new TextDecoder().decode(event.payloadJson)));
  }
  return events;
}

for (const transport of ["grpc", "quic"] as const) {
  granted(
    `a node over ${transport} that declares more than it was granted waits for the operator's word, who hears of it once`,
    ["echo"],
    async ({ daemon, node }) => {
      const { operator, nodeRpc } = daemon;
      const capabilities = ["echo", "files.read"];
      using first = await ScriptedNode.connect(nodeRpc, node, { transport, capabilities });
      await isRefused(operator, "files.read", "capability_not_granted");
      const shown = await operator.getDevice({ deviceId: node.deviceId });
      assert.deepEqual([shown.grantedCapabilities, shown.pendingCapabilities], [["echo"], ["files.read"]]);
      const described = await operator.getNode({ deviceId: "laptop" });
      assert.deepEqual(described.capabilities.map((each) => [each.name, each.granted, each.denied]), [
        ["echo", true, false],
        ["files.read", false, false],
      ]);
      first[Symbol.dispose]();
      using again = await ScriptedNode.connect(nodeRpc, node, { transport, capabilities });
      // By its unary call too, and beside a further one.
      using client = nodeClient(nodeRpc, node);
      const more = [...capabilities, "files.write"].map((name) => DeviceCapability.create({ name, available: true }));
      const registration = { v: 1, deviceId: { ulid: node.deviceId }, capabilities: more };
      await callUnary(client, client.registerNode, RegisterNodeRequest.create(registration));
      assert.deepEqual(await eventsOf(daemon, "capabilities.pending"), [
        { capabilities: ["files.read"] },
        { capabilities: ["files.write"] },
      ]);
      await isRefused(operator, "files.write", "capability_not_granted");

      const decided = await operator.setCapabilityGrant({
        deviceId: "laptop",
        grant: ["files.read"],
        deny: ["files.write"],
      });
      assert.deepEqual(decided.grantedCapabilities, ["echo", "files.read"]);
      assert.deepEqual([decided.deniedCapabilities, decided.pendingCapabilities], [["files.write"], []]);
      const running = operator.execute({ deviceId: "laptop", capability: "files.read", timeoutMs: 20_000 });
      const [dispatch] = await again.dispatched(1);
      assert.equal(dispatch?.capability, "files.read");
      answer(again, dispatch?.requestId?.ulid);
      assert.equal((await running).state, "succeeded");
      await isRefused(operator, "files.write", "capability_denied");

      const [event] = await eventsOf(daemon, "capabilities.decided");
      const { decided_by: by, ...rest } = event as Record<string, unknown>;
      assert.deepEqual(rest, { granted: ["files.read"], denied: ["files.write"] });
      const record = daemon.audit().find(({ kind }) => kind === "capabilities.decided");
      assert.deepEqual([record?.actor, record?.subject], [by, node.deviceId]);
      assert.deepEqual(record?.details.granted_capabilities, ["echo", "files.read"]);
      assert.deepEqual(record?.details.denied_capabilities, ["files.write"]);
    },
  );
}

granted(
  "a capability that is denied ends what waits for it before it reaches the node, and what runs goes on",
  ["echo"],
  async ({ daemon, node }) => {
    const { operator, nodeRpc } = daemon;
    using connected = await ScriptedNode.connect(nodeRpc, node, { transport: "grpc", maxConcurrency: 1 });
    const running = operator.execute({ deviceId: "laptop", capability: "echo", timeoutMs: 40_000 });
    const [dispatch] = await connected.dispatched(1);
    const waiting = Array.from(
      { length: 3 },
      () => operator.execute({ deviceId: "laptop", capability: "echo", timeoutMs: 40_000 }),
    );
    await untilQueued(operator, 3);
    const deny = { deviceId: "laptop", grant: [], deny: ["echo"] };
    await operator.setCapabilityGrant(deny);
    // Their callers hear of it at once, while the node is busy.
    for (const { state, errorCode, error } of await Promise.all(waiting)) {
      assert.deepEqual([state, errorCode], ["rejected", "capability_denied"]);
      assert.match(error, /palyrad devices grant/);
    }
    await isRefused(operator, "echo", "capability_denied");
    answer(connected, dispatch?.requestId?.ulid);
    assert.equal((await running).state, "succeeded");
    await connected.settled();
    assert.equal(connected.dispatches.length, 1, "nothing else reached the node");
    assert.ok(!connected.received.some(({ $case }) => $case === "cancel"));
    // Saying it again changes nothing and is not recorded.
    await operator.setCapabilityGrant(deny);
    assert.equal(daemon.audit().filter(({ kind }) => kind === "capabilities.decided").length, 1);
  },
);

granted(
  "what waits for an offline node ends when its capability is denied, for good and across a restart",
  ["echo", "other"],
  async ({ daemon, node }) => {
    {
      using _ = await ScriptedNode.connect(daemon.nodeRpc, node, {
        transport: "grpc",
        capabilities: ["echo", "other"],
      });
    }
    const submit = (capability: string) => daemon.operator.submit({ deviceId: "laptop", capability });
    const [denied, kept] = [await submit("echo"), await submit("other")];
    await daemon.operator.setCapabilityGrant({ deviceId: "laptop", grant: [], deny: ["echo"] });
    await daemon.restart();
    const stateOf = async ({ requestId }: RequestView) => (await daemon.operator.getRequest({ requestId })).state;
    assert.deepEqual([await stateOf(denied), await stateOf(kept)], ["rejected", "queued"]);
    assert.deepEqual((await daemon.operator.getDevice({ deviceId: node.deviceId })).deniedCapabilities, ["echo"]);
    await isRefused(daemon.operator, "echo", "capability_denied");
    using back = await ScriptedNode.connect(daemon.nodeRpc, node, {
      transport: "grpc",
      capabilities: ["echo", "other"],
    });
    const [dispatch] = await back.dispatched(1);
    assert.equal(dispatch?.capability, "other");
    answer(back, dispatch?.requestId?.ulid);
    await back.acknowledged(kept.requestId);
  },
);

granted(
  "a device that pairs again with its key keeps its denials, and gets nothing new that nobody has seen",
  ["echo", "files.read"],
  async ({ daemon, node, device }) => {
    const { operator, enrolment } = daemon;
    const { deviceId } = node;
    await operator.setCapabilityGrant({ deviceId, grant: [], deny: ["files.read"] });
    const grantOf = async () => {
      const { grantedCapabilities, deniedCapabilities } = await operator.getDevice({ deviceId });
      return [grantedCapabilities, deniedCapabilities];
    };
    const { identity } = device;
    const greedy = async (wants: readonly string[], approve: boolean, known = identity) => {
      const again = await PairingDevice.create({ identity: known, wants });
      return await again.pair(enrolment, (await daemon.mint({ approve })).secretText);
    };
    const wants = ["echo", "files.read", "files.write"];
    await greedy(wants, true);
    assert.deepEqual(await grantOf(), [["echo"], ["files.read"]], "approved in advance: nothing new");
    const { requestId } = await greedy(wants, false);
    const decision = { requestId, reason: "", replace: false, only: undefined };
    const decided = await operator.approvePairing(decision);
    assert.deepEqual(decided.grantedCapabilities, ["echo", "files.write"]);
    assert.deepEqual(
      await grantOf(),
      [["echo", "files.write"], ["files.read"]],
      "approved at sight: the denial stands",
    );
    const named = await greedy(wants, false);
    await operator.approvePairing({ ...decision, requestId: named.requestId, only: { names: ["files.read"] } });
    assert.deepEqual(await grantOf(), [["files.read"], []], "unless the operator says otherwise");
    // Another key in its place is another device.
    await operator.setCapabilityGrant({ deviceId, grant: [], deny: ["files.read"] });
    const other = await greedy(wants, false, DeviceIdentity.generate(deviceId));
    await operator.approvePairing({ ...decision, requestId: other.requestId, replace: true });
    assert.deepEqual(await grantOf(), [wants, []]);
  },
);

granted("approving --only grants that and refuses what was not asked for", ["echo"], async ({ daemon }) => {
  const { operator, enrolment } = daemon;
  const device = await PairingDevice.create({ deviceName: "server", wants: ["a", "b", "c"] });
  const { requestId } = await device.pair(enrolment, (await daemon.mint()).secretText);
  const approve = (names: string[]) =>
    operator.approvePairing({ requestId, reason: "", replace: false, only: { names } });
  await assert.rejects(approve(["a", "d"]), isError("invalid_argument", /does not ask for d.*a, b, c/));
  const [waiting] = (await operator.listPairings({ state: "pending_approval", clientKind: "", limit: 0 })).requests;
  assert.equal(waiting?.requestId, requestId, "nothing was decided by that");
  assert.deepEqual((await approve(["c", "a"])).grantedCapabilities, ["a", "c"]);
  const shown = await operator.getDevice({ deviceId: device.identity.deviceId });
  assert.deepEqual(shown.grantedCapabilities, ["a", "c"]);
});

granted("only an operator decides about capabilities, only of nodes that are paired", ["echo"], async (site) => {
  const { operator } = site.daemon;
  const change = (deviceId: string, grant = ["echo"]) => operator.setCapabilityGrant({ deviceId, grant, deny: [] });
  await assert.rejects(change("nobody"), isError("node_not_found", /nodes list/));
  const { devices } = await operator.listDevices({ includeRevoked: false, afterDeviceId: "" });
  const local = devices.find(({ clientKind }) => clientKind === "cli");
  await assert.rejects(change(local?.deviceId ?? ""), isError("invalid_argument", /Only nodes/));
  await assert.rejects(change("laptop", ["Echo"]), isError("invalid_argument", /lower case/));
  await assert.rejects(change("laptop", []), isError("invalid_argument", /at least one/));
  await operator.revokeDevice({ deviceId: site.node.deviceId, reason: "" });
  await assert.rejects(change(site.node.deviceId), isError("device_revoked", /devices remove/));
  assert.equal(site.daemon.audit().filter(({ kind }) => kind === "capabilities.decided").length, 0);
});

/** Resolves when so many requests wait. */
async function untilQueued(operator: AdminClient, count: number): Promise<void> {
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- asks until it is so; the whole test has its time
    const { requests } = await operator.listRequests({ deviceId: "", state: "queued", limit: 0 });
    if (requests.length >= count) return;
  }
}
