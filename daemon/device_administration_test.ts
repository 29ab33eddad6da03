import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { RevokeDevicePairingRequest } from "../proto/gen/node.ts";
import { NodeRpcFace } from "./node_rpc_face.ts";
import { operatorName } from "./operator_name.ts";
import type { MintedCode } from "./pairing_desk.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { isError } from "./testing/pairing_bench.ts";

Deno.test("DeviceAdministration.unpair() forgets a device and its pairing requests at its own wish", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  await bench.administration.unpair(deviceId);
  assert.equal(bench.pairing.devices.get(deviceId), undefined);
  assert.deepEqual(await bench.pairing.desk.listRequests({ limit: 10 }), []);
});

Deno.test("NodeRpcFace.revokeDevicePairing() refuses the local operator, whose certificate goes on working", async () => {
  await using bench = await DaemonBench.open();
  const operator = await bench.localOperator();
  const { runtime, queue, administration, issuer: certificates } = bench;
  const face = new NodeRpcFace({ runtime, queue, administration, certificates });
  const request = RevokeDevicePairingRequest.create({ deviceId: { ulid: operator.device.deviceId } });
  await assert.rejects(face.revokeDevicePairing(request, operator), isError("invalid_argument", /state folder/));
  assert.equal(bench.pairing.devices.get(operator.device.deviceId)?.status, "paired");
});

Deno.test("DeviceAdministration.unpair() does not let a device forget a revocation that was faster", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  const [, unpaired] = await Promise.allSettled([
    bench.administration.revoke(deviceId, "stolen", "owner"),
    bench.administration.unpair(deviceId),
  ]);
  assert.ok(unpaired.status === "rejected" && isError("device_revoked")(unpaired.reason));
  assert.equal(bench.pairing.devices.get(deviceId)?.status, "revoked");
});

Deno.test("DeviceAdministration ends the pairing codes of an operator that it revokes, and no others", async () => {
  await using bench = await DaemonBench.open();
  const { desk } = bench.pairing;
  const operator = await bench.pairedNode("owner's phone");
  const mint = async (issuedBy: string) =>
    await desk.mint({
      method: "qr",
      clientKind: "cli",
      ttlMs: undefined,
      approve: true,
      issuedBy,
      endpoints: ["127.0.0.1:7445"],
    });
  const [own, other] = [await mint(operatorName(operator)), await mint(`laptop (${newDeviceId()})`)];
  await bench.administration.revoke(operator.deviceId, "stolen", "owner");
  const begin = async ({ code }: MintedCode) =>
    await desk.begin({ method: "qr", codeId: code.codeId }, "cli", "192.0.2.7:50000");
  await assert.rejects(begin(own), isError("pairing_code_expired"));
  await begin(other);
});

Deno.test("DeviceAdministration.remove() ends those who follow the device's events", async () => {
  await using bench = await DaemonBench.open();
  const { deviceId } = await bench.pairedNode("laptop");
  const reader = bench.events.read(deviceId, 2, new AbortController().signal);
  const next = reader.next();
  await bench.administration.revoke(deviceId, "stolen", "owner");
  assert.equal((await next).value?.name, "device.revoked");
  const ended = assert.rejects(reader.next(), isError("device_not_found"));
  await bench.administration.remove(deviceId, "", "owner");
  await ended;
});
