import { hkdfSync } from "node:crypto";
import { ristretto255, ristretto255_hasher as ristretto255Hasher } from "@noble/curves/ed25519.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { lengthValueConcat, prependLength } from "./length_value.ts";
import { PalyraError } from "./palyra_error.ts";
import { type RandomBytes, secureRandomBytes } from "./random_bytes.ts";

const DOMAIN = new TextEncoder().encode("CPaceRistretto255");
const SESSION_KEY_DOMAIN = "CPaceRistretto255_ISK";
const SHA512_BLOCK_BYTES = 128;
const CONFIRMATION_INFO = "palyra-cpace-confirmation-v1";

/** Length of a CPace share (an encoded ristretto255 point), in bytes. */
export const CPACE_SHARE_BYTES = 32;

/** Who sends the first share. In pairing the daemon is the initiator, the device the responder. */
export type CpaceRole = "initiator" | "responder";

/** What a party brings to a CPace run. */
export interface CpaceInputs {
  readonly role: CpaceRole;
  /** The shared password (PRS). */
  readonly password: Uint8Array;
  /** The channel identifier (CI): who talks to whom, over what. Equal on both sides. */
  readonly channel: Uint8Array;
  /** Unique to the run (sid). Equal on both sides. */
  readonly sessionId: Uint8Array;
  /** This party's associated data (AD): what the session key is to be bound to. */
  readonly associatedData: Uint8Array;
  /** Default: the operating system's CSPRNG. */
  readonly random?: RandomBytes;
}

/** What a run gives. Nothing may be believed before the peer's tag equals `expectedPeerTag` (in constant time). */
export interface CpaceResult {
  /** The session key (ISK), 64 bytes. */
  readonly sessionKey: Uint8Array;
  /** The tag that proves this party's key to the peer, 32 bytes. */
  readonly ownTag: Uint8Array;
  /** The tag that the peer must show, 32 bytes. */
  readonly expectedPeerTag: Uint8Array;
}

/**
 * One side of one run of CPace (draft-irtf-cfrg-cpace, suite ristretto255 with SHA-512, initiator/responder), with
 * explicit key confirmation. An active attacker learns whether one guess of the password was right, and nothing more;
 * a passive one learns nothing.
 */
export class CpaceParty {
  /** What to send to the peer, 32 bytes. */
  readonly share: Uint8Array;
  readonly #inputs: CpaceInputs;
  readonly #scalar: bigint;
  #finished = false;

  private constructor(inputs: CpaceInputs) {
    this.#inputs = inputs;
    this.#scalar = sampleScalar(inputs.random ?? secureRandomBytes);
    const generator = cpaceGenerator(inputs.password, inputs.channel, inputs.sessionId);
    this.share = ristretto255.Point.fromBytes(generator).multiply(this.#scalar).toBytes();
  }

  /** Draws a fresh scalar and makes the share. */
  static start(inputs: CpaceInputs): CpaceParty {
    return new CpaceParty(inputs);
  }

  /**
   * Ends the run with the peer's share and the associated data that the peer must have used. Once only: a second use
   * of one scalar would be a second guess. Throws `invalid_pairing_message` when the share is not a group element,
   * is the identity, or is this party's own share sent back.
   */
  finish(peerShare: Uint8Array, peerAssociatedData: Uint8Array): CpaceResult {
    if (this.#finished) throw new Error("a CPace run ends once");
    this.#finished = true;
    if (peerShare.toHex() === this.share.toHex()) throw invalidShare();
    const { role, sessionId, associatedData } = this.#inputs;
    const own = lengthValueConcat(this.share, associatedData);
    const peer = lengthValueConcat(peerShare, peerAssociatedData);
    const sharedPoint = cpaceSharedPoint(this.#scalar, peerShare);
    const [first, second] = role === "initiator" ? [own, peer] : [peer, own];
    const sessionKey = sha512.create()
      .update(lengthValueConcat(SESSION_KEY_DOMAIN, sessionId, sharedPoint)).update(first).update(second).digest();
    const macKey = new Uint8Array(hkdfSync("sha256", sessionKey, new Uint8Array(0), CONFIRMATION_INFO, 32));
    return { sessionKey, ownTag: hmac(sha256, macKey, own), expectedPeerTag: hmac(sha256, macKey, peer) };
  }
}

/** The generator of one run, encoded: `calculate_generator` of the draft. */
export function cpaceGenerator(password: Uint8Array, channel: Uint8Array, sessionId: Uint8Array): Uint8Array {
  const padding = SHA512_BLOCK_BYTES - 1 - prependLength(password).length - prependLength(DOMAIN).length;
  const zeros = new Uint8Array(Math.max(0, padding));
  const digest = sha512(lengthValueConcat(DOMAIN, password, zeros, channel, sessionId));
  const mapToGroup = ristretto255Hasher.deriveToCurve;
  if (mapToGroup === undefined) throw new Error("the curve library lost ristretto255's map to the group");
  return mapToGroup(digest).toBytes();
}

/**
 * The peer's share times the scalar, encoded: `scalar_mult_vfy` of the draft. Throws `invalid_pairing_message` when
 * the share is not the canonical encoding of a group element, or is the identity.
 */
export function cpaceSharedPoint(scalar: bigint, peerShare: Uint8Array): Uint8Array {
  let point: InstanceType<typeof ristretto255.Point>;
  try {
    point = ristretto255.Point.fromBytes(peerShare);
  } catch (cause) {
    throw invalidShare(cause);
  }
  // The group has prime order: only the identity times a scalar is the identity.
  if (point.is0()) throw invalidShare();
  return point.multiply(scalar).toBytes();
}

// 64 bytes modulo the order: the bias is below 2^-256. Zero is left out.
function sampleScalar(random: RandomBytes): bigint {
  const wide = BigInt(`0x${random(64).toReversed().toHex()}`);
  return 1n + wide % (ristretto255.Point.Fn.ORDER - 1n);
}

function invalidShare(cause?: unknown): PalyraError {
  return new PalyraError("invalid_pairing_message", "The CPace share is not a valid one; start the pairing again.", {
    cause,
  });
}
