import assert from "node:assert/strict";
import { newUlid } from "../identity/device_id.ts";
import { unixMs } from "../identity/unix_ms.ts";
import {
  ExecuteRequest,
  ListDevicesRequest,
  ListNodesRequest,
  ListNodesResponse,
  ListPairingsRequest,
  ListPairingsResponse,
  ListRequestsRequest,
  ListRequestsResponse,
} from "../proto/gen/admin.ts";
import { deviceView } from "./admin_views.ts";
import { MAX_LIST_BYTES } from "./list_page.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

const SCHEMA = JSON.stringify({ description: "s".repeat(16_000) });

function capability(number: number): DeclaredCapability {
  return {
    name: `capability_${number}`,
    available: false,
    version: "1.0.0",
    inputSchemaJson: SCHEMA,
    outputSchemaJson: SCHEMA,
    idempotent: true,
    requiresLocalMediation: false,
    unavailableReason: "r".repeat(512),
  };
}

/** A request of `device` that ended with as much as a node may send. */
function ended(bench: DaemonBench, device: DeviceRecord): CapabilityRequestRecord {
  const { now } = bench.pairing;
  return {
    requestId: newUlid(),
    deviceId: device.deviceId,
    capability: "echo",
    state: "failed",
    attempt: 1,
    epoch: 1,
    idempotent: true,
    inputJson: new TextEncoder().encode(JSON.stringify("雪".repeat(500))),
    maxPayloadBytes: 65_536,
    priority: "normal",
    deadline: unixMs(now + 30_000),
    ttlEndsAt: unixMs(now + 30_000),
    requestedBy: "operator",
    createdAt: now,
    updatedAt: now,
    completedAt: now,
    outputJson: new Uint8Array(60_000).fill(0x31),
    errorCode: "execution_failed",
    error: "🦕".repeat(4_000),
  };
}

Deno.test("AdminFace.listNodes() has no schemas, and goes on behind a page of less than 1 MiB", async () => {
  await using bench = await DaemonBench.open();
  const capabilities = Array.from({ length: 64 }, (_, index) => capability(index));
  const count = 60;
  const devices = await Promise.all(Array.from({ length: count }, (_, index) => bench.pairedNode(`node ${index}`)));
  await Promise.all(devices.map((device) => bench.register(device, { capabilities })));

  const listed: string[] = [];
  for (let cut = true; cut;) {
    const page = bench.admin.listNodes(ListNodesRequest.create({ afterDeviceId: listed.at(-1) ?? "" }));
    assert.ok(ListNodesResponse.encode(page).finish().length <= MAX_LIST_BYTES);
    listed.push(...page.nodes.map((node) => node.deviceId));
    for (const each of page.nodes.flatMap((node) => node.capabilities)) {
      assert.deepEqual([each.inputSchemaJson, each.outputSchemaJson, each.unavailableReason.length], ["", "", 240]);
    }
    assert.ok(listed.length < count === page.cut);
    cut = page.cut;
  }
  assert.deepEqual(listed, devices.map((device) => device.deviceId).sort());
  assert.equal(bench.admin.getNode("node 7").capabilities[0]?.inputSchemaJson, SCHEMA);
});

Deno.test("AdminFace shows a node under its approved name, and apart from it what the node calls itself", async () => {
  await using bench = await DaemonBench.open();
  const honest = await bench.pairedNode("laptop");
  const renamed = await bench.pairedNode("server");
  await bench.register(honest, { deviceName: "laptop" });
  await bench.register(renamed, { deviceName: "laptop" });
  const names = bench.admin.listNodes(ListNodesRequest.create()).nodes.map((
    node,
  ) => [node.deviceName, node.reportedName]);
  assert.deepEqual(names.sort(), [["laptop", ""], ["server", "laptop"]]);
  assert.equal(bench.admin.getNode("LAPTOP").deviceId, honest.deviceId);
});

Deno.test("AdminFace.listRequests() has no outputs and short errors; getRequest() has them whole", async () => {
  await using bench = await DaemonBench.open();
  const device = await bench.pairedNode("laptop");
  const records = Array.from({ length: 200 }, () => ended(bench, device));
  await bench.pairing.store.transaction((tx) => Promise.all(records.map((record) => tx.requests.insert(record))));
  const listed = await bench.admin.listRequests(ListRequestsRequest.create({ limit: 500 }));
  assert.ok(ListRequestsResponse.encode(listed).finish().length <= MAX_LIST_BYTES);
  assert.deepEqual([listed.requests.length, listed.cut], [200, false]);
  for (const request of listed.requests) {
    assert.equal(request.outputJson.length, 0);
    assert.equal([...request.error].length, 240);
    assert.ok(request.error.endsWith("🦕…"), "no half of a character");
  }
  const [first] = records;
  assert.ok(first);
  const whole = await bench.admin.getRequest(first.requestId);
  assert.deepEqual([whole.outputJson.length, whole.error], [60_000, first.error]);
});

Deno.test("AdminFace.listPairings() filters before it limits, and refuses a state or kind that is none", async () => {
  await using bench = await DaemonBench.open();
  const { pairing, admin } = bench;
  const { request } = await pairing.pair((await pairing.mint()).secretText);
  for (let other = 0; other < 3; other++) {
    // deno-lint-ignore no-await-in-loop -- newer ones, one after the other
    await bench.pairedNode(`node ${other}`);
  }
  const list = async (filter: Partial<ListPairingsRequest>) => {
    const listed = await admin.listPairings(ListPairingsRequest.create({ limit: 1, ...filter }));
    return listed.requests.map((each) => each.requestId);
  };
  assert.deepEqual(await list({ state: "pending_approval" }), [request.requestId]);
  assert.deepEqual(await list({ state: "expired" }), []);
  assert.deepEqual(await list({ clientKind: "desktop" }), []);
  pairing.now = request.expiresAt;
  assert.deepEqual(await list({ state: "expired" }), [request.requestId]);
  await assert.rejects(list({ state: "lost" }), isError("invalid_argument"));
  await assert.rejects(list({ clientKind: "toaster" }), isError("invalid_argument"));
});

Deno.test("AdminFace.listPairings() stays below 1 MiB and says that it was cut", async () => {
  await using bench = await DaemonBench.open();
  const { request } = await bench.pairing.pair((await bench.pairing.mint()).secretText);
  const requestedCapabilities = Array.from({ length: 64 }, (_, index) => `c${index}.${"x".repeat(58)}`);
  await bench.pairing.store.transaction((tx) =>
    Promise.all(
      Array.from({ length: 499 }, () =>
        tx.pairing.insertRequest({ ...request, requestId: newUlid(), requestedCapabilities })),
    )
  );
  const listed = await bench.admin.listPairings(ListPairingsRequest.create({ limit: 500 }));
  assert.ok(listed.cut && listed.requests.length > 50);
  assert.ok(ListPairingsResponse.encode(listed).finish().length <= MAX_LIST_BYTES);
});

Deno.test("AdminFace.decidePairing() finds the request that waits by the end of its id, among many that were decided", async () => {
  await using bench = await DaemonBench.open();
  const operator = await bench.localOperator();
  const { pairing, admin } = bench;
  const { request } = await pairing.pair((await pairing.mint()).secretText);
  const end = request.requestId.slice(-6);
  await pairing.store.transaction((tx) =>
    Promise.all(Array.from({ length: 600 }, (_, index) => {
      const id = newUlid();
      // One of the old ones ends alike.
      const requestId = index === 300 ? id.slice(0, -6) + end as typeof id : id;
      return tx.pairing.insertRequest({ ...request, requestId, state: "completed" });
    }))
  );
  const order = { requestId: end.toLowerCase(), reason: "", replace: false, only: undefined };
  const decided = await admin.decidePairing(order, true, operator);
  assert.deepEqual([decided.requestId, decided.state], [request.requestId, "approved"]);
});

Deno.test("AdminFace.listDevices() has the newest eight certificates of each device and goes on behind a device", async () => {
  await using bench = await DaemonBench.open();
  const devices = [await bench.pairedNode("one"), await bench.pairedNode("two")]
    .sort((left, right) => left.deviceId < right.deviceId ? -1 : 1);
  const [first, second] = devices;
  assert.ok(first && second);
  for (let number = 0; number < 12; number++) {
    bench.pairing.devices.putCertificate({
      fingerprint: number.toString(16).padStart(64, "0") as typeof first.identityFingerprint,
      deviceId: first.deviceId,
      issuedAt: unixMs(number),
      expiresAt: unixMs(number + 1),
      pem: "",
      caFingerprint: first.identityFingerprint,
    });
  }
  const all = bench.admin.listDevices(ListDevicesRequest.create());
  assert.deepEqual(all.devices.map((device) => device.deviceId), devices.map((device) => device.deviceId));
  assert.deepEqual(all.devices[0]?.certificates.map((each) => each.issuedAtUnixMs), [4, 5, 6, 7, 8, 9, 10, 11]);
  const rest = bench.admin.listDevices(ListDevicesRequest.create({ afterDeviceId: first.deviceId }));
  assert.deepEqual(rest.devices.map((device) => device.deviceId), [second.deviceId]);
  assert.equal(deviceView(first, bench.pairing.devices, bench.runtime).certificates.length, 13);
});

Deno.test("AdminFace.submit() refuses an input that the declared schema does not allow, and stores nothing", async () => {
  await using bench = await DaemonBench.open();
  const device = await bench.pairedNode("laptop");
  const inputSchemaJson = JSON.stringify({
    type: "object",
    properties: { url: { type: "string" } },
    required: ["url"],
  });
  const declared = { ...capability(0), name: "echo", available: true, inputSchemaJson };
  await bench.register(device, { capabilities: [declared] });
  const operator = await bench.localOperator();
  const submit = (input: unknown) =>
    bench.admin.submit(
      ExecuteRequest.create({
        deviceId: "laptop",
        capability: "echo",
        inputJson: new TextEncoder().encode(JSON.stringify(input)),
      }),
      operator,
    );
  await assert.rejects(
    submit({ url: 7 }),
    (error) => isError("invalid_input")(error) && String(error).includes("input.url: must be of type string"),
  );
  const listed = await bench.admin.listRequests(ListRequestsRequest.create());
  assert.deepEqual(listed.requests, []);
  const { state, priority, ttlEndsAtUnixMs, deadlineUnixMs } = await submit({ url: "https://example.com/" });
  assert.deepEqual([state, priority, ttlEndsAtUnixMs], ["queued", "normal", deadlineUnixMs]);
});

Deno.test("AdminFace.revokeDevice() takes the name of a node that only one has, and no operator by it", async () => {
  await using bench = await DaemonBench.open();
  const operator = await bench.localOperator();
  const { deviceId } = await bench.pairedNode("laptop");
  await bench.pairedNode("twin");
  await bench.pairedNode("Twin");
  const revoke = async (name: string) => await bench.admin.revokeDevice(name, "stolen", operator);
  await assert.rejects(revoke("twin"), isError("invalid_argument", /device id/));
  await assert.rejects(revoke("palyrad"), isError("node_not_found"));
  const revoked = await revoke(" Laptop");
  assert.deepEqual([revoked.deviceId, revoked.status], [deviceId, "revoked"]);
  assert.equal((await revoke(deviceId.toLowerCase())).status, "revoked");
});
