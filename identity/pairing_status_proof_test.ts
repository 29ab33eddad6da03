import assert from "node:assert/strict";
import { newDeviceId } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import { mintPin } from "./pairing_code.ts";
import { MAX_STATUS_REQUEST_AGE_MS, signStatusRequest, verifyStatusRequest } from "./pairing_status_proof.ts";
import { PalyraError } from "./palyra_error.ts";
import type { ReasonCode } from "./reason_code.ts";
import { unixMs } from "./unix_ms.ts";

const NOW = unixMs(1_790_000_000_000);
const DEVICE = DeviceIdentity.generate(newDeviceId());
const QUESTION = { sessionId: mintPin().codeId, nonce: "0123456789abcdef", timestamp: NOW };

const failsWith = (code: ReasonCode) => (error: unknown): boolean =>
  error instanceof PalyraError && error.code === code;

Deno.test("verifyStatusRequest() accepts up to five minutes either way and says clock_off beyond", () => {
  const signature = signStatusRequest(DEVICE, QUESTION);
  const judge = (now: number) =>
    verifyStatusRequest(DEVICE.publicKey, DEVICE.deviceId, QUESTION, signature, unixMs(now));
  judge(NOW);
  judge(NOW + MAX_STATUS_REQUEST_AGE_MS);
  judge(NOW - MAX_STATUS_REQUEST_AGE_MS);
  assert.throws(() => judge(NOW + MAX_STATUS_REQUEST_AGE_MS + 1), failsWith("clock_off"));
  assert.throws(() => judge(NOW - MAX_STATUS_REQUEST_AGE_MS - 1), failsWith("clock_off"));
});

Deno.test("verifyStatusRequest() refuses when device, session, nonce, time or key is another", () => {
  const signature = signStatusRequest(DEVICE, QUESTION);
  const changes = [
    { sessionId: mintPin().codeId },
    { nonce: "0123456789abcdeg" },
    { timestamp: unixMs(NOW + 1) },
  ];
  for (const change of changes) {
    assert.throws(
      () => verifyStatusRequest(DEVICE.publicKey, DEVICE.deviceId, { ...QUESTION, ...change }, signature, NOW),
      failsWith("pairing_proof_failed"),
    );
  }
  const { publicKey } = DeviceIdentity.generate(DEVICE.deviceId);
  const asOther = () => verifyStatusRequest(DEVICE.publicKey, newDeviceId(), QUESTION, signature, NOW);
  assert.throws(asOther, failsWith("pairing_proof_failed"));
  const otherKey = () => verifyStatusRequest(publicKey, DEVICE.deviceId, QUESTION, signature, NOW);
  assert.throws(otherKey, failsWith("pairing_proof_failed"));
});

Deno.test("signStatusRequest() and verifyStatusRequest() refuse when the nonce is short, long or not base64url", () => {
  for (const nonce of ["", "0123456789abcde", "a".repeat(129), "0123456789abcde\n", "0123456789abcde="]) {
    const question = { ...QUESTION, nonce };
    assert.throws(() => signStatusRequest(DEVICE, question), failsWith("invalid_argument"));
    assert.throws(
      () => verifyStatusRequest(DEVICE.publicKey, DEVICE.deviceId, question, new Uint8Array(64), NOW),
      failsWith("invalid_argument"),
    );
  }
});
