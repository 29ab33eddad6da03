import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import { RECOVERY_CHALLENGE_BYTES, type RecoveryTranscript, signRecovery, verifyRecovery } from "./device_recovery.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { secureRandomBytes } from "./random_bytes.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function recovery(device: DeviceIdentity): RecoveryTranscript {
  return {
    recoveryId: newUlid(),
    challenge: secureRandomBytes(RECOVERY_CHALLENGE_BYTES),
    deviceId: device.deviceId,
    csrDer: text("a certificate request"),
    caFingerprint: fingerprintOf(text("the CA")),
    serverCertificateFingerprint: fingerprintOf(text("the server")),
  };
}

const isCode = (code: string) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;

Deno.test("verifyRecovery() takes the signature of signRecovery()", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const transcript = recovery(device);
  const signature = signRecovery(device, transcript);
  assert.equal(signature.length, 64);
  verifyRecovery(device.publicKey, transcript, signature);
});

Deno.test("verifyRecovery() refuses a signature over anything else, and of any other key", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const transcript = recovery(device);
  const signature = signRecovery(device, transcript);
  const other = fingerprintOf(text("another"));
  const changes: Readonly<Record<keyof RecoveryTranscript, Partial<RecoveryTranscript>>> = {
    recoveryId: { recoveryId: newUlid() },
    challenge: { challenge: secureRandomBytes(RECOVERY_CHALLENGE_BYTES) },
    deviceId: { deviceId: newDeviceId() },
    csrDer: { csrDer: text("another certificate request") },
    caFingerprint: { caFingerprint: other },
    serverCertificateFingerprint: { serverCertificateFingerprint: other },
  };
  for (const [member, change] of Object.entries(changes)) {
    assert.throws(
      () => verifyRecovery(device.publicKey, { ...transcript, ...change }, signature),
      isCode("recovery_proof_failed"),
      member,
    );
  }
  const swapped = {
    ...transcript,
    caFingerprint: transcript.serverCertificateFingerprint,
    serverCertificateFingerprint: transcript.caFingerprint,
  };
  assert.throws(() => verifyRecovery(device.publicKey, swapped, signature), isCode("recovery_proof_failed"));
  const stranger = DeviceIdentity.generate(device.deviceId);
  assert.throws(() => verifyRecovery(stranger.publicKey, transcript, signature), isCode("recovery_proof_failed"));
  assert.throws(
    () => verifyRecovery(device.publicKey, transcript, signRecovery(stranger, transcript)),
    isCode("recovery_proof_failed"),
  );
});

Deno.test("verifyRecovery() refuses what is no signature or no key, and a key of low order", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const transcript = recovery(device);
  const signature = signRecovery(device, transcript);
  for (const bad of [new Uint8Array(), new Uint8Array(64), signature.subarray(0, 63), new Uint8Array(65)]) {
    assert.throws(() => verifyRecovery(device.publicKey, transcript, bad), isCode("recovery_proof_failed"));
  }
  for (const key of [new Uint8Array(), new Uint8Array(32), Uint8Array.of(1, ...new Uint8Array(31))]) {
    assert.throws(() => verifyRecovery(key, transcript, signature), isCode("recovery_proof_failed"));
    assert.throws(() => verifyRecovery(key, transcript, new Uint8Array(64)), isCode("recovery_proof_failed"));
  }
});

Deno.test("signRecovery() signs no challenge of another length", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  for (const length of [0, RECOVERY_CHALLENGE_BYTES - 1, RECOVERY_CHALLENGE_BYTES + 1]) {
    const transcript = { ...recovery(device), challenge: new Uint8Array(length) };
    assert.throws(() => signRecovery(device, transcript), isCode("invalid_argument"));
  }
});
