import { createHash } from "node:crypto";
import type { CanonicalUlid, DeviceId } from "./device_id.ts";
import { type DeviceIdentity, verifyDeviceSignature } from "./device_identity.ts";
import { fingerprintBytes } from "./fingerprint.ts";
import { lengthValueConcat } from "./length_value.ts";
import type { ObservedCertificates } from "./pairing_transcript.ts";
import { PalyraError } from "./palyra_error.ts";

/** Length of a recovery's challenge, in bytes. */
export const RECOVERY_CHALLENGE_BYTES = 32;

/** How long a challenge waits for its answer, in milliseconds: one minute. A device reads the daemon's clock from it, too. */
export const RECOVERY_CHALLENGE_TTL_MS = 60_000;

const LABEL = "palyra-device-recovery-v1";

/**
 * All that both sides of a recovery must agree on (design section 3). What was seen at TLS level is never sent: a signature
 * that somebody passes on to another daemon, or over another connection, proves nothing there.
 */
export interface RecoveryTranscript extends ObservedCertificates {
  readonly recoveryId: CanonicalUlid;
  /** {@linkcode RECOVERY_CHALLENGE_BYTES} random bytes, good for one answer. */
  readonly challenge: Uint8Array;
  readonly deviceId: DeviceId;
  /** The certificate request of the new TLS key. */
  readonly csrDer: Uint8Array;
}

/** Proves the device key to the daemon that gave the challenge: Ed25519, 64 bytes. Throws `invalid_argument` at a bad challenge. */
export function signRecovery(device: DeviceIdentity, transcript: RecoveryTranscript): Uint8Array {
  return device.sign(recoveryMessage(transcript));
}

/**
 * Checks a device's proof, strictly (see `verifyDeviceSignature`). Throws `recovery_proof_failed` when the key did not sign
 * exactly this transcript.
 */
export function verifyRecovery(
  devicePublicKey: Uint8Array,
  transcript: RecoveryTranscript,
  signature: Uint8Array,
): void {
  if (verifyDeviceSignature(devicePublicKey, recoveryMessage(transcript), signature)) return;
  throw new PalyraError(
    "recovery_proof_failed",
    "The recovery is not signed by the key of that device for this connection. If the device was paired anew from another " +
      "state folder, use that one, or pair again with `palyra-node pair --force`.",
  );
}

function recoveryMessage(transcript: RecoveryTranscript): Uint8Array {
  const { challenge } = transcript;
  if (challenge.length !== RECOVERY_CHALLENGE_BYTES) {
    throw new PalyraError("invalid_argument", `The challenge of a recovery has ${RECOVERY_CHALLENGE_BYTES} bytes.`);
  }
  return lengthValueConcat(
    LABEL,
    transcript.recoveryId,
    challenge,
    transcript.deviceId,
    new Uint8Array(createHash("sha256").update(transcript.csrDer).digest()),
    fingerprintBytes(transcript.caFingerprint),
    fingerprintBytes(transcript.serverCertificateFingerprint),
  );
}
