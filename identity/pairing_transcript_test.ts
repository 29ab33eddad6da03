import assert from "node:assert/strict";
import fc from "fast-check";
import { newDeviceId } from "./device_id.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { mintPin } from "./pairing_code.ts";
import {
  gatewayAssociatedData,
  pairingCpaceContext,
  type PairingTranscript,
  pairingTranscriptHash,
  qrProof,
  x25519SharedSecret,
} from "./pairing_transcript.ts";

const BASE: PairingTranscript = {
  method: "qr",
  sessionId: mintPin().codeId,
  challenge: new Uint8Array(32).fill(1),
  gatewayEphemeralPublic: new Uint8Array(32).fill(2),
  deviceX25519Public: new Uint8Array(32).fill(3),
  deviceSigningPublic: new Uint8Array(32).fill(4),
  deviceId: newDeviceId(),
  clientKind: "node",
  csrHash: new Uint8Array(32).fill(5),
  caFingerprint: fingerprintOf(Uint8Array.of(6)),
  serverCertificateFingerprint: fingerprintOf(Uint8Array.of(7)),
  platform: "linux",
  deviceName: "box",
  requestedCapabilities: ["echo"],
  gatewayCpaceShare: new Uint8Array(0),
  deviceCpaceShare: new Uint8Array(0),
};

Deno.test("pairingTranscriptHash() and qrProof() depend on every field when one alone is changed", () => {
  const changes: { [Field in keyof PairingTranscript]: PairingTranscript[Field] } = {
    method: "pin",
    sessionId: mintPin().codeId,
    challenge: new Uint8Array(32),
    gatewayEphemeralPublic: new Uint8Array(32),
    deviceX25519Public: new Uint8Array(32),
    deviceSigningPublic: new Uint8Array(32),
    deviceId: newDeviceId(),
    clientKind: "cli",
    csrHash: new Uint8Array(32),
    caFingerprint: fingerprintOf(Uint8Array.of(0)),
    serverCertificateFingerprint: fingerprintOf(Uint8Array.of(0)),
    platform: "linuxbox",
    deviceName: "",
    requestedCapabilities: ["echo", "echo"],
    gatewayCpaceShare: new Uint8Array(32),
    deviceCpaceShare: new Uint8Array(32),
  };
  const key = new Uint8Array(32).fill(8);
  const proof = new Uint8Array(32).fill(9);
  const hashes = new Set([pairingTranscriptHash(BASE, proof).toHex()]);
  const proofs = new Set([qrProof(key, BASE).toHex()]);
  for (const [field, value] of Object.entries(changes)) {
    hashes.add(pairingTranscriptHash({ ...BASE, [field]: value }, proof).toHex());
    proofs.add(qrProof(key, { ...BASE, [field]: value }).toHex());
  }
  assert.equal(hashes.size, 1 + Object.keys(changes).length);
  assert.equal(proofs.size, 1 + Object.keys(changes).length);
  assert.ok(!hashes.has(pairingTranscriptHash(BASE, new Uint8Array(32)).toHex()));
});

Deno.test("pairingTranscriptHash() differs when text moves from one field to the next", () => {
  const proof = new Uint8Array(32);
  fc.assert(fc.property(fc.string({ minLength: 1, maxLength: 20 }), fc.nat(20), (text, cut) => {
    fc.pre(cut > 0 && cut <= text.length);
    const left = pairingTranscriptHash({ ...BASE, platform: text, deviceName: "" }, proof);
    const right = pairingTranscriptHash(
      { ...BASE, platform: text.slice(0, -cut), deviceName: text.slice(-cut) },
      proof,
    );
    assert.notEqual(left.toHex(), right.toHex());
  }));
});

Deno.test("pairingCpaceContext() separates sessions, challenges and client kinds when one of them differs", () => {
  const context = { sessionId: BASE.sessionId, challenge: BASE.challenge, clientKind: "node" } as const;
  const one = pairingCpaceContext(context);
  assert.equal(one.sessionId.length, 16);
  assert.notDeepEqual(pairingCpaceContext({ ...context, sessionId: mintPin().codeId }).sessionId, one.sessionId);
  assert.notDeepEqual(pairingCpaceContext({ ...context, challenge: new Uint8Array(32) }).sessionId, one.sessionId);
  assert.notDeepEqual(pairingCpaceContext({ ...context, clientKind: "cli" }).channel, one.channel);
  const swapped = {
    caFingerprint: BASE.serverCertificateFingerprint,
    serverCertificateFingerprint: BASE.caFingerprint,
  };
  assert.notDeepEqual(gatewayAssociatedData(swapped), gatewayAssociatedData(BASE));
});

Deno.test("x25519SharedSecret() gives the RFC 7748 secret when given the keys of its section 6.1", () => {
  const bobSecret = Uint8Array.fromHex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
  const alicePublic = Uint8Array.fromHex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
  const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
  assert.equal(x25519SharedSecret(bobSecret, alicePublic).toHex(), shared);
});
