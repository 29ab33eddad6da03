import { inspect } from "node:util";
import * as ed25519 from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import * as v from "valibot";
import { type DeviceId, isCanonicalUlid } from "./device_id.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { type RandomBytes, secureRandomBytes } from "./random_bytes.ts";
import { sameBytes } from "./same_bytes.ts";

// The library leaves the synchronous hash to its user.
ed25519.hashes.sha512 = (message) => sha512(message);

/** Length of an Ed25519 public key, in bytes. */
export const DEVICE_PUBLIC_KEY_BYTES = 32;

/** Length of an Ed25519 signature, in bytes. */
export const DEVICE_SIGNATURE_BYTES = 64;

const SEED_BYTES = 32;

/** A device identity as JSON. Holds the private key: it belongs into the secret store and nowhere else. */
export interface StoredDeviceIdentity {
  readonly version: 1;
  readonly deviceId: string;
  /** The 32-byte Ed25519 seed, base64url. */
  readonly privateKey: string;
  /** The 32-byte Ed25519 public key, base64url; lets a damaged file be noticed. */
  readonly publicKey: string;
}

const StoredSchema = v.strictObject({
  version: v.literal(1),
  deviceId: v.pipe(v.string(), v.check(isCanonicalUlid)),
  privateKey: v.pipe(v.string(), v.maxLength(64)),
  publicKey: v.pipe(v.string(), v.maxLength(64)),
});

/**
 * A device's long-lived Ed25519 key pair: who the device is, across certificates. The private key can be used and
 * stored but not seen: printing, inspecting or serialising an identity shows its id and fingerprint only.
 */
export class DeviceIdentity {
  readonly deviceId: DeviceId;
  /** SHA-256 of the public key: the identity fingerprint that operator and device compare. */
  readonly fingerprint: Fingerprint;
  readonly #seed: Uint8Array;
  readonly #publicKey: Uint8Array;

  private constructor(deviceId: DeviceId, seed: Uint8Array) {
    this.deviceId = deviceId;
    this.#seed = seed;
    this.#publicKey = ed25519.getPublicKey(seed);
    this.fingerprint = fingerprintOf(this.#publicKey);
  }

  /** Makes a fresh identity for `deviceId`. */
  static generate(deviceId: DeviceId, random: RandomBytes = secureRandomBytes): DeviceIdentity {
    return new DeviceIdentity(deviceId, random(SEED_BYTES));
  }

  /** Restores what {@linkcode toStored} gave. Throws `state_damaged` when it is anything else. */
  static fromStored(stored: unknown): DeviceIdentity {
    const parsed = v.safeParse(StoredSchema, stored);
    if (!parsed.success) throw damaged();
    try {
      const { deviceId, privateKey, publicKey } = parsed.output;
      const seed = Uint8Array.fromBase64(privateKey, { alphabet: "base64url" });
      const identity = new DeviceIdentity(deviceId as DeviceId, seed);
      const expected = Uint8Array.fromBase64(publicKey, { alphabet: "base64url" });
      if (sameBytes(identity.#publicKey, expected)) return identity;
    } catch {
      // What the decoder says about a private key is not for any log.
    }
    throw damaged();
  }

  /** The 32-byte Ed25519 public key; a copy. */
  get publicKey(): Uint8Array {
    return this.#publicKey.slice();
  }

  /** Signs `message`: Ed25519 (RFC 8032), 64 bytes. */
  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.#seed);
  }

  /** The identity as plain JSON, private key included, for the secret store. */
  toStored(): StoredDeviceIdentity {
    const base64url = { alphabet: "base64url", omitPadding: true } as const;
    return {
      version: 1,
      deviceId: this.deviceId,
      privateKey: this.#seed.toBase64(base64url),
      publicKey: this.#publicKey.toBase64(base64url),
    };
  }

  /** What may be seen: device id and fingerprint. */
  toJSON(): { deviceId: DeviceId; fingerprint: Fingerprint } {
    return { deviceId: this.deviceId, fingerprint: this.fingerprint };
  }

  toString(): string {
    return `DeviceIdentity(${this.deviceId})`;
  }

  [inspect.custom](): string {
    return this.toString();
  }

  [Symbol.for("Deno.customInspect")](): string {
    return this.toString();
  }
}

/**
 * Whether `publicKey` may be a device's: 32 bytes, canonical encoding, in the prime-order subgroup. Keys of low or
 * mixed order are refused, as one signature of theirs can pass for several messages.
 */
export function isDevicePublicKey(publicKey: Uint8Array): boolean {
  if (publicKey.length !== DEVICE_PUBLIC_KEY_BYTES) return false;
  try {
    const point = ed25519.Point.fromBytes(publicKey);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false;
  }
}

/**
 * Whether `signature` is the device key's over `message`. Strict: non-canonical keys, points and scalars and low-order
 * keys verify nothing (RFC 8032 section 5.1.7, not the laxer ZIP 215). Never throws on a peer's bytes.
 */
export function verifyDeviceSignature(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== DEVICE_PUBLIC_KEY_BYTES || signature.length !== DEVICE_SIGNATURE_BYTES) return false;
  return ed25519.verify(signature, message, publicKey, { zip215: false });
}

function damaged(): PalyraError {
  return new PalyraError(
    "state_damaged",
    "The stored device identity cannot be read; restore it from a backup, or remove it and pair the device again.",
  );
}
