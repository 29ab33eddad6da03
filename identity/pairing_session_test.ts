import assert from "node:assert/strict";
import { inspect } from "node:util";
import { ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { createCertificateRequest } from "./certificate_request.ts";
import { CLIENT_KINDS } from "./client_kind.ts";
import type { DeviceDeclaration } from "./device_declaration.ts";
import { newDeviceId } from "./device_id.ts";
import { DeviceIdentity } from "./device_identity.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PairingAttempt, type PairingAttemptOptions } from "./pairing_attempt.ts";
import { derivePinPassword, deriveQrCodeKey, mintPin, mintQrCode } from "./pairing_code.ts";
import type { PairingChallenge, PairingCompletion } from "./pairing_message.ts";
import { PairingSession } from "./pairing_session.ts";
import {
  attemptOptions,
  begin,
  CODE_ID,
  DEVICE,
  NOW,
  PIN,
  QR_SECRET,
  seededRandom,
  sessionOptions,
} from "./pairing_test_support.ts";
import type { ObservedCertificates } from "./pairing_transcript.ts";
import { PalyraError } from "./palyra_error.ts";
import type { ReasonCode } from "./reason_code.ts";
import { TlsKey } from "./tls_key.ts";
import { unixMs } from "./unix_ms.ts";

const METHODS = ["qr", "pin"] as const;
const OTHER_FINGERPRINT = fingerprintOf(Uint8Array.of(9));

const failsWith = (...codes: ReasonCode[]) => (error: unknown): boolean =>
  error instanceof PalyraError && codes.includes(error.code);
const proofFails = failsWith("pairing_proof_failed");

function flip(bytes: Uint8Array, at = 0): Uint8Array {
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
}

Deno.test("PairingSession and PairingAttempt give the fixed vectors when randomness is fixed", async () => {
  const vectors = {
    qr: {
      transcriptHash: "42e8ed03758f8e15ef9a124ca9636682de13a1a82b4379493211db83dca3d557",
      proof: "a9fbf16bdf330c2ea4d148b642a4b4f60d0d041d174d93b2fb580fe32f7e3634",
      transcriptMac: "56a07df04baeb9d30ce444eec7383108a1e1527a85584781f26e86d206ac49e3",
      challengeSignature: "17e956afd4bdbc9187b355e7be9a45d8505bf5669ab7af7ca23889bddfc6a9fc" +
        "311d25c0dbb9fa040c799728c876dc38e45da3b43a22c62aff7c3afaea59360a",
      gatewayConfirmation: "f4b076e8f5e598d6ed4f0f906b1dcb834363656ae19dfdc86d7145b6b832b107",
    },
    pin: {
      transcriptHash: "9df637445c1d1d4ef61af710d05b95ae9e5f471b4008c24530938d86dbe57616",
      proof: "bdfe4a2f1dbc1422bf558e0f231d0c21ea90e75bbee99550a20d2bc27754b32c",
      transcriptMac: "bbe93141244bebdcda0558b69dc5ca93bd5b8f2a00001bb1725e3b392be03d81",
      challengeSignature: "19bb267fb2fe52d4bb355dd1f51b356e8088a7cb1312a488d36f95b80137fad4" +
        "c6031c959128d3a214769c39d9aaddf995687f19af3d16f05129692ff358bc0b",
      gatewayConfirmation: "e9474ab6dd87a5b88730a4b7de6eceb0364114ce903baede11d83a839f750f4e",
    },
  };
  await Promise.all(METHODS.map(async (method) => {
    const { session, attempt } = await begin(method);
    const verified = await session.verify(attempt.completion);
    attempt.verifyConfirmation(verified.gatewayConfirmation);
    assert.equal(session.sessionId, "01M3250V005NNR4811D4M51GT4");
    assert.equal(verified.transcriptHash, attempt.transcriptHash);
    assert.deepEqual({
      transcriptHash: verified.transcriptHash,
      proof: attempt.completion.proof.toHex(),
      transcriptMac: attempt.completion.transcriptMac.toHex(),
      challengeSignature: attempt.completion.challengeSignature.toHex(),
      gatewayConfirmation: verified.gatewayConfirmation.toHex(),
    }, vectors[method]);
  }));
});

Deno.test("PairingSession.verify() tells who the device is when everything is proven", async () => {
  const { session, attempt } = await begin("pin");
  const verified = await session.verify(attempt.completion);
  assert.equal(verified.sessionId, session.sessionId);
  assert.equal(verified.codeId, CODE_ID);
  assert.equal(verified.method, "pin");
  assert.equal(verified.clientKind, "node");
  assert.equal(verified.deviceId, DEVICE.deviceId);
  assert.equal(verified.identityFingerprint, DEVICE.fingerprint);
  assert.deepEqual(verified.devicePublicKey, DEVICE.publicKey);
  assert.deepEqual(verified.csr.der, attempt.completion.csrDer);
  assert.equal(verified.platform, "linux-x86_64");
  assert.equal(verified.deviceName, "box");
  assert.deepEqual(verified.requestedCapabilities, ["echo", "system.health"]);
});

Deno.test("PairingSession.verify() refuses when the device holds another secret, code id or PIN", async () => {
  const attempts: [method: "qr" | "pin", device: Partial<PairingAttemptOptions>][] = [
    ["qr", { method: { kind: "qr", secret: flip(QR_SECRET), codeId: CODE_ID } }],
    ["qr", { method: { kind: "qr", secret: QR_SECRET, codeId: mintQrCode().codeId } }],
    ["pin", { method: { kind: "pin", pin: "123457" } }],
  ];
  await Promise.all(attempts.map(async ([method, device]) => {
    const { session, attempt } = await begin(method, {}, device);
    await assert.rejects(session.verify(attempt.completion), proofFails);
  }));
});

Deno.test("PairingSession.verify() refuses when any one field of the completion was changed on the way", async () => {
  const other = DeviceIdentity.generate(newDeviceId());
  const sameIdOtherKey = DeviceIdentity.generate(DEVICE.deviceId);
  const csrDer = await createCertificateRequest({ deviceId: DEVICE.deviceId, tlsKey: await TlsKey.generate() });
  const changes: ((completion: PairingCompletion) => Partial<PairingCompletion>)[] = [
    () => ({ sessionId: newDeviceId() }),
    () => ({ deviceId: other.deviceId }),
    () => ({ clientKind: "cli" }),
    ({ proof }) => ({ proof: flip(proof) }),
    ({ proof }) => ({ proof: flip(proof, 31) }),
    () => ({ deviceSigningPublic: sameIdOtherKey.publicKey }),
    () => ({ deviceX25519Public: seededRandom("another key")(32) }),
    ({ challengeSignature }) => ({ challengeSignature: flip(challengeSignature, 40) }),
    ({ transcriptMac }) => ({ transcriptMac: flip(transcriptMac) }),
    () => ({ csrDer }),
    () => ({ platform: "linux-aarch64" }),
    () => ({ deviceName: "another box" }),
    () => ({ requestedCapabilities: ["echo", "system.health", "desktop.open_url"] }),
    () => ({ requestedCapabilities: ["echo"] }),
    () => ({ requestedCapabilities: ["system.health", "echo"] }),
    () => ({ platform: "linux-x86_64b", deviceName: "ox" }),
  ];
  await Promise.all(METHODS.flatMap((method) =>
    changes.map(async (change) => {
      const { session, attempt } = await begin(method);
      const changed = { ...attempt.completion, ...change(attempt.completion) };
      const codes = ["pairing_proof_failed", "invalid_pairing_message", "invalid_certificate_request"] as const;
      await assert.rejects(session.verify(changed), failsWith(...codes), change.toString());
      await assert.rejects(session.verify(attempt.completion), failsWith("pairing_session_unknown"));
    })
  ));
  const { session, attempt } = await begin("pin");
  const share = (await begin("pin", {}, { random: seededRandom("another share") })).attempt.completion.cpaceShare;
  await assert.rejects(session.verify({ ...attempt.completion, cpaceShare: share }), proofFails);
});

Deno.test("PairingSession.verify() refuses when any one field of the challenge was changed on the way", async () => {
  const otherShare = (await begin("pin", { random: seededRandom("another daemon") })).session.challenge().cpaceShare;
  const changes: ((challenge: PairingChallenge) => Partial<PairingChallenge>)[] = [
    () => ({ sessionId: mintPin().codeId }),
    () => ({ gatewayEphemeralPublic: seededRandom("another key")(32) }),
    ({ challenge }) => ({ challenge: flip(challenge) }),
    ({ cpaceShare }) => ({ cpaceShare: cpaceShare.length === 0 ? cpaceShare : otherShare }),
  ];
  await Promise.all(METHODS.flatMap((method) =>
    changes.map(async (change) => {
      const session = PairingSession.begin(sessionOptions(method));
      const original = session.challenge();
      const seen = { ...original, ...change(original) };
      const attempt = await PairingAttempt.answer(attemptOptions(method), seen);
      const unchanged = method === "qr" && change.toString().includes("cpaceShare");
      // The relay puts the session id right again, so that only the transcript can tell.
      const relayed = { ...attempt.completion, sessionId: session.sessionId };
      if (unchanged) await session.verify(relayed);
      else await assert.rejects(session.verify(relayed), proofFails);
    })
  ));
});

Deno.test("PairingSession.verify() and verifyConfirmation() refuse when the sides saw different certificates", async () => {
  const views: Partial<ObservedCertificates>[] = [
    { caFingerprint: OTHER_FINGERPRINT },
    { serverCertificateFingerprint: OTHER_FINGERPRINT },
  ];
  await Promise.all(METHODS.flatMap((method) =>
    views.map(async (view) => {
      const relayed = await begin(method, {}, view);
      await assert.rejects(relayed.session.verify(relayed.attempt.completion), proofFails);
      await assert.rejects(relayed.session.verify(relayed.attempt.completion), failsWith("pairing_session_unknown"));
      const honest = await begin(method);
      const { gatewayConfirmation } = await honest.session.verify(honest.attempt.completion);
      assert.throws(() => relayed.attempt.verifyConfirmation(gatewayConfirmation), failsWith("daemon_untrusted"));
    })
  ));
});

Deno.test("PairingSession.verify() refuses when a completion is replayed, to the same session or another", async () => {
  await Promise.all(METHODS.map(async (method) => {
    const { session, attempt } = await begin(method);
    await session.verify(attempt.completion);
    await assert.rejects(session.verify(attempt.completion), failsWith("pairing_session_unknown"));
    const next = PairingSession.begin({ ...sessionOptions(method), random: seededRandom("next session") });
    const relabelled = { ...attempt.completion, sessionId: next.sessionId };
    await assert.rejects(next.verify(relabelled), proofFails);
  }));
});

Deno.test("PairingSession.verify() refuses from the moment the window is over", async () => {
  let now = NOW;
  const { session, attempt } = await begin("qr", { clock: () => now, windowMs: 1_000 });
  assert.equal(session.expiresAt, NOW + 1_000);
  now = unixMs(NOW + 1_000);
  await assert.rejects(session.verify(attempt.completion), failsWith("pairing_session_expired"));
  const inTime = await begin("qr", { clock: () => now, windowMs: 1_000 });
  now = unixMs(now + 999);
  await inTime.session.verify(inTime.attempt.completion);
});

Deno.test("PairingSession.verify() refuses when a public key is of low order or not canonical", async () => {
  const invalid = failsWith("invalid_pairing_message");
  const lowOrderX25519 = [
    "00".repeat(32),
    `01${"00".repeat(31)}`,
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    `ec${"ff".repeat(30)}7f`,
    `ed${"ff".repeat(30)}7f`,
    `ee${"ff".repeat(30)}7f`,
  ];
  await Promise.all(lowOrderX25519.map(async (hex) => {
    const { session, attempt } = await begin("qr");
    const deviceX25519Public = Uint8Array.fromHex(hex);
    await assert.rejects(session.verify({ ...attempt.completion, deviceX25519Public }), invalid, hex);
    const challenge = { ...session.challenge(), gatewayEphemeralPublic: deviceX25519Public };
    await assert.rejects(PairingAttempt.answer(attemptOptions("qr"), challenge), invalid, hex);
  }));
  const badEd25519 = [...ED25519_TORSION_SUBGROUP, `ee${"ff".repeat(30)}7f`, `02${"00".repeat(31)}`];
  await Promise.all(badEd25519.map(async (hex) => {
    const { session, attempt } = await begin("qr");
    const deviceSigningPublic = Uint8Array.fromHex(hex);
    await assert.rejects(session.verify({ ...attempt.completion, deviceSigningPublic }), invalid, hex);
  }));
  const pin = await begin("pin");
  await assert.rejects(pin.session.verify({ ...pin.attempt.completion, cpaceShare: new Uint8Array(32) }), invalid);
});

Deno.test("PairingSession.verify() refuses and names the field when the form is wrong", async () => {
  const long = "x".repeat(65);
  const changes: Partial<Record<keyof PairingCompletion, unknown>>[] = [
    { sessionId: "x" },
    { deviceId: DEVICE.deviceId.toLowerCase() },
    { clientKind: "root" },
    { proof: new Uint8Array(31) },
    { deviceSigningPublic: new Uint8Array(33) },
    { deviceX25519Public: new Uint8Array(0) },
    { challengeSignature: new Uint8Array(63) },
    { transcriptMac: "text" },
    { csrDer: new Uint8Array(4097) },
    { cpaceShare: new Uint8Array(31) },
    { platform: long },
    { deviceName: "a\u0007" },
    { requestedCapabilities: ["Not A Name"] },
    { requestedCapabilities: Array(65).fill("echo") },
  ];
  await Promise.all(changes.map(async (change) => {
    const { session, attempt } = await begin("qr");
    const malformed = { ...attempt.completion, ...change } as PairingCompletion;
    await assert.rejects(session.verify(malformed), (error) => {
      assert.ok(failsWith("invalid_pairing_message")(error));
      assert.ok(String(error).includes(`field ${Object.keys(change)[0]};`), String(error));
      return true;
    });
  }));
  const wrongMethod = await begin("qr");
  const withShare = { ...wrongMethod.attempt.completion, cpaceShare: new Uint8Array(32).fill(1) };
  await assert.rejects(wrongMethod.session.verify(withShare), failsWith("invalid_pairing_message"));
});

Deno.test("pairing agrees on both sides when inputs are random", async () => {
  const declaration: fc.Arbitrary<DeviceDeclaration> = fc.record({
    platform: fc.stringMatching(/^[ -~]{0,64}$/),
    deviceName: fc.stringMatching(/^[ -~]{0,64}$/),
    requestedCapabilities: fc.array(fc.stringMatching(/^[a-z][a-z0-9_]{0,20}(\.[a-z][a-z0-9_]{0,20}){0,2}$/), {
      maxLength: 64,
    }),
  });
  const tlsKey = await TlsKey.generate();
  await fc.assert(
    fc.asyncProperty(
      declaration,
      fc.constantFrom(...METHODS),
      fc.constantFrom(...CLIENT_KINDS),
      fc.uint8Array().map(fingerprintOf),
      fc.uint8Array().map(fingerprintOf),
      async (declared, kind, clientKind, caFingerprint, serverCertificateFingerprint) => {
        const device = DeviceIdentity.generate(newDeviceId());
        const csrDer = await createCertificateRequest({ deviceId: device.deviceId, tlsKey });
        const qr = mintQrCode();
        const pin = mintPin();
        const session = PairingSession.begin({
          codeId: kind === "qr" ? qr.codeId : pin.codeId,
          method: kind,
          codeKey: kind === "qr" ? qr.key : pin.key,
          clientKind,
          caFingerprint,
          serverCertificateFingerprint,
          clock: () => NOW,
        });
        const attempt = await PairingAttempt.answer({
          ...declared,
          device,
          csrDer,
          method: kind === "qr" ? { kind, secret: qr.secret, codeId: qr.codeId } : { kind, pin: pin.pin },
          clientKind,
          caFingerprint,
          serverCertificateFingerprint,
        }, session.challenge());
        const verified = await session.verify(attempt.completion);
        attempt.verifyConfirmation(verified.gatewayConfirmation);
        assert.equal(verified.transcriptHash, attempt.transcriptHash);
        assert.equal(verified.deviceId, device.deviceId);
      },
    ),
    { numRuns: 40 },
  );
});

Deno.test("no pairing message holds the code, or anything derived from it alone, when both sides have spoken", async () => {
  await Promise.all(METHODS.map(async (method) => {
    const { session, attempt } = await begin(method);
    const { gatewayConfirmation } = await session.verify(attempt.completion);
    const fields = [...Object.values(session.challenge()), ...Object.values(attempt.completion), gatewayConfirmation];
    const spoken = fields.map((field) =>
      field instanceof Uint8Array ? field.toHex() : new TextEncoder().encode(String(field)).toHex()
    );
    const secrets = [
      new TextEncoder().encode(PIN),
      derivePinPassword(PIN),
      QR_SECRET,
      deriveQrCodeKey(QR_SECRET, CODE_ID),
    ];
    for (const secret of secrets) assert.ok(!spoken.some((field) => field.includes(secret.toHex())));
  }));
});

Deno.test("PairingSession, PairingAttempt and their errors show no secret when inspected", async () => {
  const { session, attempt } = await begin("pin");
  const failed = await begin("pin", {}, { method: { kind: "pin", pin: "654321" } });
  const error = await failed.session.verify(failed.attempt.completion).catch((thrown) => thrown);
  const shown = [
    ...[session, attempt, error].flatMap((value) => [inspect(value, { depth: 9 }), Deno.inspect(value)]),
    JSON.stringify({ session, attempt }),
  ].join("\n");
  const password = derivePinPassword(PIN);
  const forms = [`"${PIN}"`, `'${PIN}'`, "654321", password.toHex(), Array.from(password).slice(0, 6).join(", ")];
  for (const form of forms) assert.ok(!shown.includes(form));
  assert.match(inspect(error.cause), /not proven: proof, mac\n/);
});
