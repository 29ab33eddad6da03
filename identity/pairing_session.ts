import { x25519 } from "@noble/curves/ed25519.js";
import { type CertificateRequest, parseCertificateRequest } from "./certificate_request.ts";
import type { ClientKind } from "./client_kind.ts";
import { CpaceParty } from "./cpace.ts";
import type { DeviceDeclaration } from "./device_declaration.ts";
import type { CanonicalUlid, DeviceId } from "./device_id.ts";
import { isDevicePublicKey, verifyDeviceSignature } from "./device_identity.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import type { PairingMethod } from "./pairing_code.ts";
import {
  type CheckedPairingCompletion,
  type PairingChallenge,
  type PairingCompletion,
  parsePairingCompletion,
} from "./pairing_message.ts";
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
import { ulidFrom } from "./ulid_bytes.ts";
import { type Clock, type UnixMs, unixMs } from "./unix_ms.ts";

/** How long a device has between begin and completion, in milliseconds: 5 minutes. */
export const PAIRING_WINDOW_MS = 300_000;

/** What the daemon opens a pairing session with. */
export interface PairingSessionOptions extends ObservedCertificates {
  readonly codeId: CanonicalUlid;
  readonly method: PairingMethod;
  /** The stored key of the code: `deriveQrCodeKey` of a token's secret, `derivePinPassword` of a PIN. */
  readonly codeKey: Uint8Array;
  readonly clientKind: ClientKind;
  readonly clock: Clock;
  /** Default: {@linkcode PAIRING_WINDOW_MS}. */
  readonly windowMs?: number;
  /** Default: the operating system's CSPRNG. */
  readonly random?: RandomBytes;
}

/** A device that has proven the code and its keys. Whether it may join is the operator's decision. */
export interface VerifiedPairing extends DeviceDeclaration {
  readonly sessionId: CanonicalUlid;
  readonly codeId: CanonicalUlid;
  readonly method: PairingMethod;
  readonly deviceId: DeviceId;
  readonly clientKind: ClientKind;
  /** Ed25519, 32 bytes. */
  readonly devicePublicKey: Uint8Array;
  /** SHA-256 of `devicePublicKey`. */
  readonly identityFingerprint: Fingerprint;
  readonly csr: CertificateRequest;
  /** SHA-256 of the transcript, hex. */
  readonly transcriptHash: string;
  /** What the device needs to see before it believes the daemon, 32 bytes. */
  readonly gatewayConfirmation: Uint8Array;
}

/** The daemon's side of one pairing handshake: one challenge, one completion. */
export class PairingSession {
  readonly sessionId: CanonicalUlid;
  readonly codeId: CanonicalUlid;
  readonly method: PairingMethod;
  readonly clientKind: ClientKind;
  readonly expiresAt: UnixMs;
  readonly #codeKey: Uint8Array;
  readonly #observed: ObservedCertificates;
  readonly #clock: Clock;
  readonly #challenge: Uint8Array;
  readonly #ephemeralSecret: Uint8Array;
  readonly #ephemeralPublic: Uint8Array;
  readonly #cpace: CpaceParty | undefined;
  #used = false;

  private constructor(options: PairingSessionOptions) {
    const random = options.random ?? secureRandomBytes;
    const now = options.clock();
    this.sessionId = ulidFrom(now, random(10));
    this.codeId = options.codeId;
    this.method = options.method;
    this.clientKind = options.clientKind;
    this.expiresAt = unixMs(now + (options.windowMs ?? PAIRING_WINDOW_MS));
    this.#codeKey = options.codeKey.slice();
    this.#observed = {
      caFingerprint: options.caFingerprint,
      serverCertificateFingerprint: options.serverCertificateFingerprint,
    };
    this.#clock = options.clock;
    this.#challenge = random(32);
    this.#ephemeralSecret = random(32);
    this.#ephemeralPublic = x25519.getPublicKey(this.#ephemeralSecret);
    if (options.method === "pin") {
      const context = { sessionId: this.sessionId, challenge: this.#challenge, clientKind: this.clientKind };
      this.#cpace = CpaceParty.start({
        role: "initiator",
        password: this.#codeKey,
        ...pairingCpaceContext(context),
        associatedData: gatewayAssociatedData(this.#observed),
        random,
      });
    }
  }

  /** Opens a session: session id, challenge, ephemeral key and, for a PIN, the CPace share are drawn here. */
  static begin(options: PairingSessionOptions): PairingSession {
    return new PairingSession(options);
  }

  /** What the device is told. */
  challenge(): PairingChallenge {
    return {
      sessionId: this.sessionId,
      clientKind: this.clientKind,
      gatewayEphemeralPublic: this.#ephemeralPublic.slice(),
      challenge: this.#challenge.slice(),
      cpaceShare: this.#cpace?.share.slice() ?? new Uint8Array(0),
      expiresAt: this.expiresAt,
    };
  }

  /**
   * Judges the device's one completion. Whatever it rejects with, the session is used up, and the caller counts one
   * try of the code:
   * - `pairing_session_unknown` at a second call, `pairing_session_expired` after the window;
   * - `invalid_pairing_message`, `invalid_certificate_request` when the message is malformed;
   * - `pairing_proof_failed` when code, transcript or device key is not proven. Which, only the cause tells: a peer
   *   that guesses learns no more than that it was wrong.
   */
  // deno-lint-ignore require-await -- rejects instead of throwing, and leaves room for a check that waits
  async verify(completion: PairingCompletion): Promise<VerifiedPairing> {
    if (this.#used) {
      throw new PalyraError(
        "pairing_session_unknown",
        "This pairing session has had its answer; start the pairing again.",
      );
    }
    this.#used = true;
    if (this.#clock() >= this.expiresAt) {
      throw new PalyraError("pairing_session_expired", "This pairing session has expired; start the pairing again.");
    }
    const checked = this.#checkForm(completion);
    const csr = parseCertificateRequest(checked.csrDer, checked.deviceId);
    const transcript = this.#transcript(checked, csr);
    const sharedSecret = x25519SharedSecret(this.#ephemeralSecret, checked.deviceX25519Public);
    const expected = this.#expectedProof(checked, transcript);
    const transcriptHash = pairingTranscriptHash(transcript, checked.proof);
    const macs = pairingMacs({ ...expected, sharedSecret, challenge: this.#challenge, transcriptHash });
    const message = pairingSignatureMessage(transcriptHash);
    // All three are judged before any is looked at, so that the time taken does not tell which failed.
    const verdicts = {
      proof: sameBytes(checked.proof, expected.proof),
      mac: sameBytes(checked.transcriptMac, macs.transcriptMac),
      signature: verifyDeviceSignature(checked.deviceSigningPublic, message, checked.challengeSignature),
    };
    if (!verdicts.proof || !verdicts.mac || !verdicts.signature) throw proofFailed(verdicts);
    return {
      sessionId: this.sessionId,
      codeId: this.codeId,
      method: this.method,
      deviceId: checked.deviceId,
      clientKind: this.clientKind,
      devicePublicKey: checked.deviceSigningPublic.slice(),
      identityFingerprint: fingerprintOf(checked.deviceSigningPublic),
      csr,
      transcriptHash: transcriptHash.toHex(),
      platform: checked.platform,
      deviceName: checked.deviceName,
      requestedCapabilities: [...checked.requestedCapabilities],
      gatewayConfirmation: macs.gatewayConfirmation,
    };
  }

  #checkForm(completion: PairingCompletion): CheckedPairingCompletion {
    const checked = parsePairingCompletion(completion);
    const cpaceFits = (checked.cpaceShare.length > 0) === (this.#cpace !== undefined);
    if (checked.sessionId !== this.sessionId || checked.clientKind !== this.clientKind || !cpaceFits) {
      throw new PalyraError(
        "invalid_pairing_message",
        "The pairing message does not belong to this pairing session; start the pairing again.",
      );
    }
    if (!isDevicePublicKey(checked.deviceSigningPublic)) {
      throw new PalyraError(
        "invalid_pairing_message",
        "The device key is not a valid Ed25519 key; remove the device's stored identity and pair again.",
      );
    }
    return checked;
  }

  #transcript(completion: CheckedPairingCompletion, csr: CertificateRequest): PairingTranscript {
    return {
      ...this.#observed,
      method: this.method,
      sessionId: this.sessionId,
      challenge: this.#challenge,
      gatewayEphemeralPublic: this.#ephemeralPublic,
      deviceX25519Public: completion.deviceX25519Public,
      deviceSigningPublic: completion.deviceSigningPublic,
      deviceId: completion.deviceId,
      clientKind: completion.clientKind,
      csrHash: csr.hash,
      platform: completion.platform,
      deviceName: completion.deviceName,
      requestedCapabilities: completion.requestedCapabilities,
      gatewayCpaceShare: this.#cpace?.share ?? new Uint8Array(0),
      deviceCpaceShare: completion.cpaceShare,
    };
  }

  #expectedProof(
    completion: CheckedPairingCompletion,
    transcript: PairingTranscript,
  ): { proof: Uint8Array; methodKey: Uint8Array; gatewayCpaceTag: Uint8Array } {
    if (this.#cpace === undefined) {
      const proof = qrProof(this.#codeKey, transcript);
      return { proof, methodKey: this.#codeKey, gatewayCpaceTag: new Uint8Array(0) };
    }
    const result = this.#cpace.finish(completion.cpaceShare, deviceAssociatedData(transcript));
    return { proof: result.expectedPeerTag, methodKey: result.sessionKey, gatewayCpaceTag: result.ownTag };
  }
}

function proofFailed(verdicts: Readonly<Record<string, boolean>>): PalyraError {
  const failed = Object.entries(verdicts).filter(([, passed]) => !passed).map(([name]) => name).join(", ");
  return new PalyraError(
    "pairing_proof_failed",
    "The device did not prove the pairing code; check the code and that nothing stands between device and daemon, " +
      "then start again.",
    { cause: new Error(`not proven: ${failed}`) },
  );
}
