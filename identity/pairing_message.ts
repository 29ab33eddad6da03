import * as v from "valibot";
import { CLIENT_KINDS, type ClientKind } from "./client_kind.ts";
import { CPACE_SHARE_BYTES } from "./cpace.ts";
import { type CanonicalUlid, type DeviceId, isCanonicalUlid } from "./device_id.ts";
import { type DeviceDeclaration, DeviceDeclarationSchema } from "./device_declaration.ts";
import { MAX_CERTIFICATE_REQUEST_BYTES } from "./certificate_request.ts";
import { PalyraError } from "./palyra_error.ts";
import type { UnixMs } from "./unix_ms.ts";

/** The version of the pairing handshake; part of every transcript. */
export const PAIRING_PROTOCOL_VERSION = 1;

/** The daemon's answer to BeginPairingSession. */
export interface PairingChallenge {
  readonly sessionId: CanonicalUlid;
  readonly clientKind: ClientKind;
  /** X25519, 32 bytes. */
  readonly gatewayEphemeralPublic: Uint8Array;
  /** 32 random bytes. */
  readonly challenge: Uint8Array;
  /** 32 bytes for a PIN, empty for a QR token. */
  readonly cpaceShare: Uint8Array;
  readonly expiresAt: UnixMs;
}

/** The device's CompletePairingSession. */
export interface PairingCompletion extends DeviceDeclaration {
  readonly sessionId: string;
  readonly deviceId: string;
  readonly clientKind: string;
  /** The QR proof, or the device's CPace tag; 32 bytes. */
  readonly proof: Uint8Array;
  /** Ed25519, 32 bytes. */
  readonly deviceSigningPublic: Uint8Array;
  /** X25519, 32 bytes. */
  readonly deviceX25519Public: Uint8Array;
  /** Ed25519 over the transcript, 64 bytes. */
  readonly challengeSignature: Uint8Array;
  /** 32 bytes. */
  readonly transcriptMac: Uint8Array;
  /** PKCS#10, DER. */
  readonly csrDer: Uint8Array;
  /** 32 bytes for a PIN, empty for a QR token. */
  readonly cpaceShare: Uint8Array;
}

/** A completion whose form was checked, and nothing else. */
export interface CheckedPairingCompletion extends PairingCompletion {
  readonly sessionId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly clientKind: ClientKind;
}

const exactly = (length: number) => v.pipe(v.instance(Uint8Array), v.length(length));
const Ulid = v.pipe(v.string(), v.check(isCanonicalUlid));
const Kind = v.picklist(CLIENT_KINDS);
const CpaceShare = v.union([exactly(0), exactly(CPACE_SHARE_BYTES)]);

const ChallengeSchema = v.object({
  sessionId: Ulid,
  clientKind: Kind,
  gatewayEphemeralPublic: exactly(32),
  challenge: exactly(32),
  cpaceShare: CpaceShare,
  expiresAt: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
});

const CompletionSchema = v.object({
  ...DeviceDeclarationSchema.entries,
  sessionId: Ulid,
  deviceId: Ulid,
  clientKind: Kind,
  proof: exactly(32),
  deviceSigningPublic: exactly(32),
  deviceX25519Public: exactly(32),
  challengeSignature: exactly(64),
  transcriptMac: exactly(32),
  csrDer: v.pipe(v.instance(Uint8Array), v.maxLength(MAX_CERTIFICATE_REQUEST_BYTES)),
  cpaceShare: CpaceShare,
});

/** Checks the form of the daemon's challenge; throws `invalid_pairing_message` with the field's name. */
export function parsePairingChallenge(challenge: PairingChallenge): PairingChallenge {
  const parsed = v.safeParse(ChallengeSchema, challenge);
  if (!parsed.success) throw invalid(parsed.issues);
  return parsed.output as v.InferOutput<typeof ChallengeSchema> & PairingChallenge;
}

/** Checks the form of a device's completion; throws `invalid_pairing_message` with the field's name. */
export function parsePairingCompletion(completion: PairingCompletion): CheckedPairingCompletion {
  const parsed = v.safeParse(CompletionSchema, completion);
  if (!parsed.success) throw invalid(parsed.issues);
  return parsed.output as v.InferOutput<typeof CompletionSchema> & CheckedPairingCompletion;
}

function invalid(issues: readonly v.BaseIssue<unknown>[]): PalyraError {
  const field = issues[0]?.path?.[0]?.key;
  const what = typeof field === "string" ? `has a malformed field ${field}` : "is malformed";
  return new PalyraError(
    "invalid_pairing_message",
    `The pairing message ${what}; make sure that palyrad and palyra-node are of matching versions, and start again.`,
  );
}
