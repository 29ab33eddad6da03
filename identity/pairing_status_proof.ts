import type { CanonicalUlid, DeviceId } from "./device_id.ts";
import { type DeviceIdentity, verifyDeviceSignature } from "./device_identity.ts";
import { lengthValueConcat } from "./length_value.ts";
import { PalyraError } from "./palyra_error.ts";
import type { UnixMs } from "./unix_ms.ts";

/** How far the device's clock may be from the daemon's in a status request, in milliseconds: 5 minutes. */
export const MAX_STATUS_REQUEST_AGE_MS = 300_000;

const LABEL = "palyra-pairing-status-v1";
// The bounds of palyra.common.v1.ReplayProtection.
const NONCE = /^[A-Za-z0-9_-]{16,128}$/;

/** What a device asks about: its own pairing request, at one moment. */
export interface PairingStatusQuestion {
  readonly sessionId: CanonicalUlid;
  /** 16 to 128 characters of base64url, fresh for each request. */
  readonly nonce: string;
  /** The device's clock. */
  readonly timestamp: UnixMs;
}

/** Signs a GetPairingRequestStatus with the device key; 64 bytes. Throws `invalid_argument` at a bad nonce. */
export function signStatusRequest(device: DeviceIdentity, question: PairingStatusQuestion): Uint8Array {
  checkNonce(question.nonce);
  return device.sign(statusMessage(device.deviceId, question));
}

/**
 * Checks a device's GetPairingRequestStatus at the daemon's time `now`. Throws `invalid_argument` at a bad nonce,
 * `pairing_proof_failed` when the key did not sign exactly this question for this device, and `clock_off` when it did
 * but more than 5 minutes away from `now`. The answer changes nothing, so a repeated nonce within them does no harm.
 */
export function verifyStatusRequest(
  devicePublicKey: Uint8Array,
  deviceId: DeviceId,
  question: PairingStatusQuestion,
  signature: Uint8Array,
  now: UnixMs,
): void {
  checkNonce(question.nonce);
  if (!verifyDeviceSignature(devicePublicKey, statusMessage(deviceId, question), signature)) {
    throw new PalyraError(
      "pairing_proof_failed",
      "The status request is not signed by the device that asked to pair; ask with the identity that it paired with.",
    );
  }
  if (Math.abs(now - question.timestamp) > MAX_STATUS_REQUEST_AGE_MS) {
    throw new PalyraError(
      "clock_off",
      "The clocks of device and daemon are more than 5 minutes apart; set the device's clock and try again.",
    );
  }
}

function statusMessage(deviceId: DeviceId, question: PairingStatusQuestion): Uint8Array {
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, BigInt(question.timestamp));
  return lengthValueConcat(LABEL, question.sessionId, deviceId, question.nonce, timestamp);
}

function checkNonce(nonce: string): void {
  if (!NONCE.test(nonce)) {
    throw new PalyraError("invalid_argument", "The nonce of a status request has 16 to 128 characters of base64url.");
  }
}
