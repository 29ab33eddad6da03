import assert from "node:assert/strict";
import { type CanonicalUlid, newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { signStatusRequest } from "../identity/pairing_status_proof.ts";
import type { GetPairingRequestStatusRequest, GetPairingRequestStatusResponse } from "../proto/gen/node.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { EnrolmentFace } from "./enrolment_face.ts";
import { APPROVE, isError } from "./testing/pairing_bench.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";

const never = new AbortController().signal;

/** A device that waits for its approval and the face at which it asks. */
async function waiting(bench: DaemonBench) {
  const { pairing } = bench;
  const device = DeviceIdentity.generate(newDeviceId());
  const { request } = await pairing.pair((await pairing.mint()).secretText, device);
  const face = new EnrolmentFace({
    desk: pairing.desk,
    caCertificatePem: () => pairing.identity.ca.certificatePem,
    nodeEndpoints: () => ["127.0.0.1:7444"],
    clock: pairing.clock,
  });
  return { device, request, face };
}

function question(
  bench: DaemonBench,
  device: DeviceIdentity,
  sessionId: CanonicalUlid,
): GetPairingRequestStatusRequest {
  const nonce = "0123456789abcdef";
  const timestamp = bench.pairing.now;
  const signature = signStatusRequest(device, { sessionId, nonce, timestamp }).toBase64({ alphabet: "base64url" });
  return {
    v: 1,
    sessionId,
    deviceId: { ulid: device.deviceId },
    replay: { nonce, timestampUnixMs: timestamp, signature },
  };
}

/** What a stream gives next. */
async function next(stream: AsyncGenerator<GetPairingRequestStatusResponse>): Promise<string | undefined> {
  const { value } = await stream.next();
  return value?.status;
}

Deno.test("EnrolmentFace.watch() tells the device of the approval, with its certificate, and ends", async () => {
  await using bench = await DaemonBench.open();
  const { device, request, face } = await waiting(bench);
  const stream = face.watch(question(bench, device, request.requestId), never);
  assert.equal(await next(stream), "pending_approval");
  const [, decided] = await Promise.all([bench.pairing.desk.decide(request.requestId, APPROVE), stream.next()]);
  assert.equal(decided.value?.status, "completed");
  assert.match(decided.value?.mtlsClientCertificatePem ?? "", /BEGIN CERTIFICATE/);
  assert.equal((await stream.next()).done, true);
});

Deno.test("EnrolmentFace.watch() wakes the device when nobody decides in time", async () => {
  await using bench = await DaemonBench.open();
  const { device, request, face } = await waiting(bench);
  bench.pairing.now = unixMs(request.expiresAt - 5);
  const stream = face.watch(question(bench, device, request.requestId), never);
  assert.equal(await next(stream), "pending_approval");
  const last = next(stream);
  bench.pairing.now = request.expiresAt;
  assert.equal(await last, "expired");
  assert.equal((await stream.next()).done, true);
});

Deno.test("EnrolmentFace.watch() wakes the device when an operator removes it and its requests", async () => {
  await using bench = await DaemonBench.open();
  const { device, request, face } = await waiting(bench);
  const { pairing, administration } = bench;
  // It is paired already and waits with a second request.
  await pairing.desk.decide(request.requestId, APPROVE);
  const again = await pairing.pair((await pairing.mint()).secretText, device);
  const stream = face.watch(question(bench, device, again.request.requestId), never);
  assert.equal(await next(stream), "pending_approval");
  const woken = assert.rejects(stream.next(), isError("pairing_not_found"));
  await administration.remove(device.deviceId, "sold", "operator");
  await woken;
});

Deno.test("EnrolmentFace.watch() tells a device that waits when its id was given to another key", async () => {
  await using bench = await DaemonBench.open();
  const { device, request, face } = await waiting(bench);
  const stream = face.watch(question(bench, device, request.requestId), never);
  assert.equal(await next(stream), "pending_approval");
  const woken = stream.next();
  const rival = DeviceIdentity.generate(device.deviceId);
  await bench.pairing.pair((await bench.pairing.mint({ approve: true })).secretText, rival);
  const { value } = await woken;
  assert.equal(value?.status, "rejected");
  assert.match(value?.reason ?? "", /superseded/);
  await stream.return();
});

Deno.test("EnrolmentFace.watch() ends without a timer left when the device goes away", async () => {
  await using bench = await DaemonBench.open();
  const { device, request, face } = await waiting(bench);
  const leaving = new AbortController();
  const stream = face.watch(question(bench, device, request.requestId), leaving.signal);
  assert.equal(await next(stream), "pending_approval");
  const end = stream.next();
  leaving.abort();
  assert.equal((await end).done, true);
});
