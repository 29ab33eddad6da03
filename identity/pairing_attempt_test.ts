import assert from "node:assert/strict";
import { x25519 } from "@noble/curves/ed25519.js";
import { CpaceParty } from "./cpace.ts";
import { newDeviceId } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import { fingerprintBytes, fingerprintOf } from "./fingerprint.ts";
import { PairingAttempt, type PairingAttemptOptions } from "./pairing_attempt.ts";
import { derivePinPassword } from "./pairing_code.ts";
import type { PairingChallenge } from "./pairing_message.ts";
import { PairingSession } from "./pairing_session.ts";
import {
  attemptOptions,
  begin,
  CA_FINGERPRINT,
  PIN,
  SERVER_FINGERPRINT,
  sessionOptions,
} from "./pairing_test_support.ts";
import {
  deviceAssociatedData,
  gatewayAssociatedData,
  pairingCpaceContext,
  pairingMacs,
  x25519SharedSecret,
} from "./pairing_transcript.ts";
import { PalyraError } from "./palyra_error.ts";
import { secureRandomBytes } from "./random_bytes.ts";
import type { ReasonCode } from "./reason_code.ts";

const failsWith = (code: ReasonCode) => (error: unknown): boolean =>
  error instanceof PalyraError && error.code === code;

/** The confirmation that a stranger in the daemon's place makes, who guesses `pin` and knows everything else. */
async function confirmationOfStranger(pin: string): Promise<{ attempt: PairingAttempt; confirmation: Uint8Array }> {
  const observed = { caFingerprint: CA_FINGERPRINT, serverCertificateFingerprint: SERVER_FINGERPRINT };
  const ephemeralSecret = secureRandomBytes(32);
  const session = { ...PairingSession.begin(sessionOptions("pin")).challenge() };
  const party = CpaceParty.start({
    role: "initiator",
    password: derivePinPassword(pin),
    ...pairingCpaceContext(session),
    associatedData: gatewayAssociatedData(observed),
  });
  const attempt = await PairingAttempt.answer(attemptOptions("pin"), {
    ...session,
    gatewayEphemeralPublic: x25519.getPublicKey(ephemeralSecret),
    cpaceShare: party.share,
  });
  const said = attempt.completion;
  const deviceSide = deviceAssociatedData({
    csrHash: fingerprintBytes(fingerprintOf(said.csrDer)),
    deviceSigningPublic: said.deviceSigningPublic,
    deviceId: attemptOptions("pin").device.deviceId,
  });
  const result = party.finish(said.cpaceShare, deviceSide);
  const { gatewayConfirmation } = pairingMacs({
    sharedSecret: x25519SharedSecret(ephemeralSecret, said.deviceX25519Public),
    methodKey: result.sessionKey,
    gatewayCpaceTag: result.ownTag,
    challenge: session.challenge,
    transcriptHash: Uint8Array.fromHex(attempt.transcriptHash),
  });
  return { attempt, confirmation: gatewayConfirmation };
}

Deno.test("PairingAttempt.verifyConfirmation() refuses when a stranger in the daemon's place guesses the PIN wrong", async () => {
  const right = await confirmationOfStranger(PIN);
  right.attempt.verifyConfirmation(right.confirmation);
  const wrong = await confirmationOfStranger("123457");
  assert.throws(() => wrong.attempt.verifyConfirmation(wrong.confirmation), failsWith("daemon_untrusted"));
});

Deno.test("PairingAttempt.verifyConfirmation() refuses when the bytes are changed, cut or of another session", async () => {
  const { session, attempt } = await begin("qr");
  const { gatewayConfirmation } = await session.verify(attempt.completion);
  attempt.verifyConfirmation(gatewayConfirmation);
  const changed = gatewayConfirmation.slice();
  changed[31] = (changed[31] ?? 0) ^ 0x80;
  for (const bytes of [changed, gatewayConfirmation.subarray(1), new Uint8Array(0), new Uint8Array(32)]) {
    assert.throws(() => attempt.verifyConfirmation(bytes), failsWith("daemon_untrusted"));
  }
  // The device's own MAC sent back is not the daemon's.
  assert.throws(() => attempt.verifyConfirmation(attempt.completion.transcriptMac), failsWith("daemon_untrusted"));
  const other = await begin("pin");
  assert.throws(() => other.attempt.verifyConfirmation(gatewayConfirmation), failsWith("daemon_untrusted"));
});

Deno.test("PairingAttempt.answer() refuses when the challenge is malformed or for something else", async () => {
  const qr = PairingSession.begin(sessionOptions("qr")).challenge();
  const pin = PairingSession.begin(sessionOptions("pin")).challenge();
  const refuse = (options: PairingAttemptOptions, challenge: Partial<Record<keyof PairingChallenge, unknown>>) =>
    assert.rejects(
      PairingAttempt.answer(options, challenge as unknown as PairingChallenge),
      failsWith("invalid_pairing_message"),
    );
  await Promise.all([
    refuse(attemptOptions("pin"), qr),
    refuse(attemptOptions("qr"), pin),
    refuse({ ...attemptOptions("qr"), clientKind: "cli" }, qr),
    refuse(attemptOptions("qr"), { ...qr, sessionId: "one" }),
    refuse(attemptOptions("qr"), { ...qr, clientKind: "king" }),
    refuse(attemptOptions("qr"), { ...qr, challenge: new Uint8Array(16) }),
    refuse(attemptOptions("qr"), { ...qr, gatewayEphemeralPublic: new Uint8Array(31) }),
    refuse(attemptOptions("qr"), { ...qr, expiresAt: -1 }),
    refuse(attemptOptions("pin"), { ...pin, cpaceShare: new Uint8Array(32) }),
    refuse(attemptOptions("pin"), { ...pin, cpaceShare: new Uint8Array(32).fill(0xff) }),
  ]);
});

Deno.test("PairingAttempt.answer() refuses when PIN, declaration or certificate request break their rules", async () => {
  const challenge = PairingSession.begin(sessionOptions("pin")).challenge();
  const options = attemptOptions("pin");
  const refuse = (change: Partial<PairingAttemptOptions>, code: ReasonCode) =>
    assert.rejects(PairingAttempt.answer({ ...options, ...change }, challenge), failsWith(code));
  await refuse({ method: { kind: "pin", pin: "12345" } }, "invalid_argument");
  await refuse({ deviceName: "a\nb" }, "invalid_argument");
  await refuse({ device: DeviceIdentity.generate(newDeviceId()) }, "invalid_certificate_request");
});
