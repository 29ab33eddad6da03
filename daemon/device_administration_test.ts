import assert from "node:assert/strict";
import { RevokeDevicePairingRequest } from "../proto/gen/node.ts";
import { NodeRpcFace } from "./node_rpc_face.ts";
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
