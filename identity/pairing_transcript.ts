import { createHash, createHmac, hkdfSync } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import type { ClientKind } from "./client_kind.ts";
import type { CanonicalUlid, DeviceId } from "./device_id.ts";
import type { DeviceDeclaration } from "./device_declaration.ts";
import { type Fingerprint, fingerprintBytes } from "./fingerprint.ts";
import { lengthValueConcat } from "./length_value.ts";
import type { PairingMethod } from "./pairing_code.ts";
import { PAIRING_PROTOCOL_VERSION } from "./pairing_message.ts";
import { PalyraError } from "./palyra_error.ts";

// Each use of a key or hash has a label of its own, so that nothing made for one can stand in another's place.
const LABEL = {
  channel: "palyra-pairing-v1",
  transcript: "palyra-pairing-transcript-v1",
  qrProof: "palyra-pairing-qr-proof-v1",
  mac: "palyra-pairing-mac-v1",
  signature: "palyra-pairing-signature-v1",
} as const;

const MAC_KEY_BYTES = 32;
const CPACE_SESSION_ID_BYTES = 16;

/** The two certificates that a side itself saw at TLS level. They are never sent, so a relay cannot adjust them. */
export interface ObservedCertificates {
  /** SHA-256 of the CA certificate's DER. */
  readonly caFingerprint: Fingerprint;
  /** SHA-256 of the DER of the certificate that the enrolment listener showed on this connection. */
  readonly serverCertificateFingerprint: Fingerprint;
}

/** All that both sides must agree on, but the proof (design section 3). */
export interface PairingTranscript extends DeviceDeclaration, ObservedCertificates {
  readonly method: PairingMethod;
  readonly sessionId: CanonicalUlid;
  readonly challenge: Uint8Array;
  readonly gatewayEphemeralPublic: Uint8Array;
  readonly deviceX25519Public: Uint8Array;
  readonly deviceSigningPublic: Uint8Array;
  readonly deviceId: DeviceId;
  readonly clientKind: ClientKind;
  /** SHA-256 of the certificate request's DER. */
  readonly csrHash: Uint8Array;
  /** Empty for a QR token. */
  readonly gatewayCpaceShare: Uint8Array;
  /** Empty for a QR token. */
  readonly deviceCpaceShare: Uint8Array;
}

/** The proof of a QR code: HMAC-SHA256 with the code's key over the whole transcript. */
export function qrProof(codeKey: Uint8Array, transcript: PairingTranscript): Uint8Array {
  return hmacSha256(codeKey, lengthValueConcat(LABEL.qrProof, ...transcriptFields(transcript)));
}

/** SHA-256 of the transcript, proof included: what both MACs and the signature stand on. */
export function pairingTranscriptHash(transcript: PairingTranscript, proof: Uint8Array): Uint8Array {
  return sha256(lengthValueConcat(LABEL.transcript, ...transcriptFields(transcript), proof));
}

/** What the device signs with its Ed25519 key. */
export function pairingSignatureMessage(transcriptHash: Uint8Array): Uint8Array {
  return lengthValueConcat(LABEL.signature, transcriptHash);
}

/** Inputs of {@linkcode pairingMacs}. */
export interface PairingSecrets {
  /** Of {@linkcode x25519SharedSecret}. */
  readonly sharedSecret: Uint8Array;
  /** The QR code's key, or the CPace session key. */
  readonly methodKey: Uint8Array;
  /** The daemon's CPace tag; empty for a QR token. */
  readonly gatewayCpaceTag: Uint8Array;
  readonly challenge: Uint8Array;
  readonly transcriptHash: Uint8Array;
}

/**
 * The device's MAC over the transcript and the daemon's confirmation, each under a key of its own. The confirmation
 * also covers the daemon's CPace tag: that one value proves to the device both the PIN and the transcript.
 */
export function pairingMacs(secrets: PairingSecrets): { transcriptMac: Uint8Array; gatewayConfirmation: Uint8Array } {
  const { transcriptHash, gatewayCpaceTag } = secrets;
  const secret = lengthValueConcat(secrets.sharedSecret, secrets.methodKey);
  const info = lengthValueConcat(LABEL.mac, transcriptHash);
  const keys = new Uint8Array(hkdfSync("sha256", secret, secrets.challenge, info, 2 * MAC_KEY_BYTES));
  return {
    transcriptMac: hmacSha256(keys.subarray(0, MAC_KEY_BYTES), transcriptHash),
    gatewayConfirmation: hmacSha256(
      keys.subarray(MAC_KEY_BYTES),
      lengthValueConcat(transcriptHash, gatewayCpaceTag),
    ),
  };
}

/** The CPace inputs that both sides derive alike; what each adds is its associated data. */
export function pairingCpaceContext(
  session: { readonly sessionId: string; readonly challenge: Uint8Array; readonly clientKind: ClientKind },
): { channel: Uint8Array; sessionId: Uint8Array } {
  const runId = sha256(lengthValueConcat(session.sessionId, session.challenge));
  return {
    channel: lengthValueConcat(LABEL.channel, session.clientKind, "palyrad", "palyra-device"),
    sessionId: runId.subarray(0, CPACE_SESSION_ID_BYTES),
  };
}

/** The daemon's associated data: the certificates, as each side saw them. */
export function gatewayAssociatedData(observed: ObservedCertificates): Uint8Array {
  return lengthValueConcat(
    fingerprintBytes(observed.caFingerprint),
    fingerprintBytes(observed.serverCertificateFingerprint),
  );
}

/** The device's associated data: the certificate request and the device's identity. */
export function deviceAssociatedData(
  device: { readonly csrHash: Uint8Array; readonly deviceSigningPublic: Uint8Array; readonly deviceId: DeviceId },
): Uint8Array {
  return lengthValueConcat(device.csrHash, device.deviceSigningPublic, device.deviceId);
}

/**
 * X25519 (RFC 7748); throws `invalid_pairing_message` when the peer's point is of low order, so that the secret would
 * be all zero whatever the own key (section 6.1).
 */
export function x25519SharedSecret(ownSecret: Uint8Array, peerPublic: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(ownSecret, peerPublic);
  } catch {
    throw new PalyraError(
      "invalid_pairing_message",
      "The X25519 key of the pairing message is not a usable one; start the pairing again.",
    );
  }
}

function transcriptFields(transcript: PairingTranscript): Uint8Array[] {
  const version = new Uint8Array(4);
  new DataView(version.buffer).setUint32(0, PAIRING_PROTOCOL_VERSION);
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  return [
    version,
    text(transcript.method),
    text(transcript.sessionId),
    transcript.challenge,
    transcript.gatewayEphemeralPublic,
    transcript.deviceX25519Public,
    transcript.deviceSigningPublic,
    text(transcript.deviceId),
    text(transcript.clientKind),
    transcript.csrHash,
    fingerprintBytes(transcript.caFingerprint),
    fingerprintBytes(transcript.serverCertificateFingerprint),
    text(transcript.platform),
    text(transcript.deviceName),
    lengthValueConcat(...transcript.requestedCapabilities),
    transcript.gatewayCpaceShare,
    transcript.deviceCpaceShare,
  ];
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha256").update(bytes).digest());
}

function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}
