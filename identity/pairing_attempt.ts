import { x25519 } from "@noble/curves/ed25519.js";
import { parseCertificateRequest } from "./certificate_request.ts";
import type { ClientKind } from "./client_kind.ts";
import { CpaceParty } from "./cpace.ts";
import { type DeviceDeclaration, parseDeviceDeclaration } from "./device_declaration.ts";
import type { CanonicalUlid } from "./device_id.ts";
import type { DeviceIdentity } from "./device_identity.ts";
import { derivePinPassword, deriveQrCodeKey, parsePin } from "./pairing_code.ts";
import { type PairingChallenge, type PairingCompletion, parsePairingChallenge } from "./pairing_message.ts";
import {
  deviceAssociatedData,
  gatewayAssociatedData,
  type ObservedCertificates,
  pairingCpaceContext,
  pairingMacs,
  pairingSignatureMessage,
  type PairingTranscript,
  pairingTranscriptHash,
  qrProof,
  x25519SharedSecret,
} from "./pairing_transcript.ts";
import { PalyraError } from "./palyra_error.ts";
import { type RandomBytes, secureRandomBytes } from "./random_bytes.ts";
import { sameBytes } from "./same_bytes.ts";

/** The code that the device was given. */
export type PairingSecret =
  | { readonly kind: "qr"; readonly secret: Uint8Array; readonly codeId: CanonicalUlid }
  | { readonly kind: "pin"; readonly pin: string };

/** What the device answers a challenge with. */
export interface PairingAttemptOptions extends DeviceDeclaration, ObservedCertificates {
  readonly device: DeviceIdentity;
  /** The request for the first client certificate, of `createCertificateRequest`. */
  readonly csrDer: Uint8Array;
  readonly method: PairingSecret;
  readonly clientKind: ClientKind;
  /** Default: the operating system's CSPRNG. */
  readonly random?: RandomBytes;
}

/** The device's side of one pairing handshake. */
export class PairingAttempt {
  /** What to send; it holds neither the code nor anything from which the code could be searched. */
  readonly completion: PairingCompletion;
  /** SHA-256 of the transcript, hex: equal to the daemon's. */
  readonly transcriptHash: string;
  readonly #expectedConfirmation: Uint8Array;

  private constructor(completion: PairingCompletion, transcriptHash: string, expectedConfirmation: Uint8Array) {
    this.completion = completion;
    this.transcriptHash = transcriptHash;
    this.#expectedConfirmation = expectedConfirmation;
  }

  /**
   * Answers the daemon's challenge. Rejects with `invalid_pairing_message` when the challenge is malformed or is for
   * another method or client kind, `invalid_argument` when the own declaration or PIN breaks its rules, and
   * `invalid_certificate_request` when the request is not the device's.
   */
  // deno-lint-ignore require-await -- rejects instead of throwing, and leaves room for a key store that waits
  static async answer(options: PairingAttemptOptions, challenge: PairingChallenge): Promise<PairingAttempt> {
    const declaration = parseDeviceDeclaration(options);
    const asked = parsePairingChallenge(challenge);
    if (asked.clientKind !== options.clientKind || (asked.cpaceShare.length > 0) !== (options.method.kind === "pin")) {
      throw new PalyraError(
        "invalid_pairing_message",
        "The daemon's challenge is for another client kind or another kind of code; start the pairing again.",
      );
    }
    const random = options.random ?? secureRandomBytes;
    const csr = parseCertificateRequest(options.csrDer, options.device.deviceId);
    const ephemeralSecret = random(32);
    const sharedSecret = x25519SharedSecret(ephemeralSecret, asked.gatewayEphemeralPublic);
    const identity = {
      csrHash: csr.hash,
      deviceSigningPublic: options.device.publicKey,
      deviceId: options.device.deviceId,
    };
    const cpace = options.method.kind === "pin"
      ? runCpace(options.method.pin, options, asked, deviceAssociatedData(identity), random)
      : undefined;
    const transcript: PairingTranscript = {
      ...declaration,
      ...identity,
      caFingerprint: options.caFingerprint,
      serverCertificateFingerprint: options.serverCertificateFingerprint,
      method: options.method.kind,
      sessionId: asked.sessionId,
      challenge: asked.challenge,
      gatewayEphemeralPublic: asked.gatewayEphemeralPublic,
      deviceX25519Public: x25519.getPublicKey(ephemeralSecret),
      clientKind: options.clientKind,
      gatewayCpaceShare: asked.cpaceShare,
      deviceCpaceShare: cpace?.share ?? new Uint8Array(0),
    };
    const { proof, methodKey, gatewayCpaceTag } = cpace ?? proveQr(options.method, transcript);
    const transcriptHash = pairingTranscriptHash(transcript, proof);
    const macs = pairingMacs({ sharedSecret, methodKey, gatewayCpaceTag, challenge: asked.challenge, transcriptHash });
    const completion: PairingCompletion = {
      ...declaration,
      sessionId: asked.sessionId,
      deviceId: options.device.deviceId,
      clientKind: options.clientKind,
      proof,
      deviceSigningPublic: transcript.deviceSigningPublic,
      deviceX25519Public: transcript.deviceX25519Public,
      challengeSignature: options.device.sign(pairingSignatureMessage(transcriptHash)),
      transcriptMac: macs.transcriptMac,
      csrDer: csr.der,
      cpaceShare: transcript.deviceCpaceShare,
    };
    return new PairingAttempt(completion, transcriptHash.toHex(), macs.gatewayConfirmation);
  }

  /**
   * Checks the daemon's confirmation, before anything else in its answer is believed. Throws `daemon_untrusted` when
   * whoever answered does not know the code, or saw another transcript or other certificates.
   */
  verifyConfirmation(gatewayConfirmation: Uint8Array): void {
    if (sameBytes(gatewayConfirmation, this.#expectedConfirmation)) return;
    throw new PalyraError(
      "daemon_untrusted",
      "The daemon did not prove that it knows the pairing code; check its address, and pair again with a new code.",
    );
  }
}

interface MethodProof {
  readonly proof: Uint8Array;
  readonly methodKey: Uint8Array;
  readonly gatewayCpaceTag: Uint8Array;
}

function runCpace(
  pin: string,
  observed: ObservedCertificates,
  asked: PairingChallenge,
  associatedData: Uint8Array,
  random: RandomBytes,
): MethodProof & { readonly share: Uint8Array } {
  const party = CpaceParty.start({
    role: "responder",
    password: derivePinPassword(parsePin(pin)),
    ...pairingCpaceContext(asked),
    associatedData,
    random,
  });
  const result = party.finish(asked.cpaceShare, gatewayAssociatedData(observed));
  return {
    share: party.share,
    proof: result.ownTag,
    methodKey: result.sessionKey,
    gatewayCpaceTag: result.expectedPeerTag,
  };
}

function proveQr(method: PairingSecret, transcript: PairingTranscript): MethodProof {
  if (method.kind !== "qr") throw new Error("a PIN is proven by CPace");
  const methodKey = deriveQrCodeKey(method.secret, method.codeId);
  return { proof: qrProof(methodKey, transcript), methodKey, gatewayCpaceTag: new Uint8Array(0) };
}
