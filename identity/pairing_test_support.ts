import { createHash } from "node:crypto";
import type { CanonicalUlid } from "./device_id.ts";
import { parseDeviceId } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PairingAttempt, type PairingAttemptOptions } from "./pairing_attempt.ts";
import { derivePinPassword, deriveQrCodeKey } from "./pairing_code.ts";
import { PairingSession, type PairingSessionOptions } from "./pairing_session.ts";
import type { RandomBytes } from "./random_bytes.ts";
import { unixMs } from "./unix_ms.ts";

/** Randomness for tests: SHA-256(seed, counter) again and again, so that a handshake repeats exactly. */
export function seededRandom(seed: string): RandomBytes {
  let counter = 0;
  return (length) => {
    const blocks: number[] = [];
    while (blocks.length < length) {
      blocks.push(...createHash("sha256").update(`${seed}:${counter}`).digest());
      counter += 1;
    }
    return Uint8Array.from(blocks.slice(0, length));
  };
}

export const NOW = unixMs(1_790_000_000_000);
export const PIN = "123456";
export const CODE_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAW" as CanonicalUlid;
export const QR_SECRET = Uint8Array.fromHex("00112233445566778899aabbccddeeff");
export const CA_FINGERPRINT = fingerprintOf(new TextEncoder().encode("the CA"));
export const SERVER_FINGERPRINT = fingerprintOf(new TextEncoder().encode("the server certificate"));
export const DEVICE = DeviceIdentity.generate(parseDeviceId("01ARZ3NDEKTSV4RRFFQ69G5FAV"), seededRandom("device"));
/** A request that was made once for the device, as its signature is different each time. */
export const CSR_DER = Uint8Array.fromBase64(
  "MIHtMIGVAgEAMDMxMTAvBgNVBAMTKFBhbHlyYSBEZXZpY2UgMDFBUlozTkRFS1RTVjRSUkZGUTY5RzVGQVYwWTATBgcqhkjOPQIB" +
    "BggqhkjOPQMBBwNCAAQn9Qoy/ADCSI1edQupSf1CT2qx1wvTb/YM3EVT4G0g2sM5PyN/uSmUaGNvvB6LKKqoPUo6Qqq+bh+5XFk7" +
    "eBaaoAAwCgYIKoZIzj0EAwIDRwAwRAIgbl6tz9eGUL0CJQmnRcyQDShDdJPZJQmiUVkGCGjtn1MCIFgfx+JMyayWGlKgWw9kv1zI" +
    "jZ8D7uYmqKLzJqQ8Vjrb",
);

/** What the daemon opens the session of these tests with. */
export function sessionOptions(method: "qr" | "pin"): PairingSessionOptions {
  return {
    codeId: CODE_ID,
    method,
    codeKey: method === "qr" ? deriveQrCodeKey(QR_SECRET, CODE_ID) : derivePinPassword(PIN),
    clientKind: "node",
    caFingerprint: CA_FINGERPRINT,
    serverCertificateFingerprint: SERVER_FINGERPRINT,
    clock: () => NOW,
    random: seededRandom("daemon"),
  };
}

/** What the device of these tests answers with. */
export function attemptOptions(method: "qr" | "pin"): PairingAttemptOptions {
  return {
    device: DEVICE,
    csrDer: CSR_DER,
    method: method === "qr" ? { kind: "qr", secret: QR_SECRET, codeId: CODE_ID } : { kind: "pin", pin: PIN },
    caFingerprint: CA_FINGERPRINT,
    serverCertificateFingerprint: SERVER_FINGERPRINT,
    clientKind: "node",
    platform: "linux-x86_64",
    deviceName: "box",
    requestedCapabilities: ["echo", "system.health"],
    random: seededRandom("attempt"),
  };
}

/** One handshake up to the device's completion. */
export async function begin(
  method: "qr" | "pin",
  daemon: Partial<PairingSessionOptions> = {},
  device: Partial<PairingAttemptOptions> = {},
): Promise<{ session: PairingSession; attempt: PairingAttempt }> {
  const session = PairingSession.begin({ ...sessionOptions(method), ...daemon });
  const attempt = await PairingAttempt.answer({ ...attemptOptions(method), ...device }, session.challenge());
  return { session, attempt };
}
