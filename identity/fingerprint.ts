import { createHash, timingSafeEqual } from "node:crypto";
import { PalyraError } from "./palyra_error.ts";

/** SHA-256 of something that stands for an identity (a certificate's DER, a public key), as 64 lower-case hex digits. */
export type Fingerprint = string & { readonly __brand: "Fingerprint" };

const HEX_SHA256 = /^[0-9a-f]{64}$/;

/** The fingerprint of `bytes`: a certificate's DER, or a raw public key. */
export function fingerprintOf(bytes: Uint8Array): Fingerprint {
  return createHash("sha256").update(bytes).digest("hex") as Fingerprint;
}

/** Parses 64 hex digits in either case, with or without colons; throws `invalid_argument`. */
export function parseFingerprint(text: string): Fingerprint {
  const plain = text.trim().replaceAll(":", "").toLowerCase();
  if (!HEX_SHA256.test(plain)) {
    throw new PalyraError("invalid_argument", "A fingerprint is the SHA-256 of a certificate or key: 64 hex digits.");
  }
  return plain as Fingerprint;
}

/** The 32 bytes of a fingerprint. */
export function fingerprintBytes(fingerprint: Fingerprint): Uint8Array {
  return Uint8Array.fromHex(fingerprint);
}

/**
 * The form people compare by eye: the first 16 hex digits in groups of four, upper case (`3F2A 91C0 77DE 0B14`).
 * 64 bits: enough against a look-alike made within the life of a pairing code, never used for a decision by a program.
 */
export function shortFingerprint(fingerprint: Fingerprint): string {
  return (fingerprint.slice(0, 16).toUpperCase().match(/.{4}/g) ?? []).join(" ");
}

/** Compares without a timing side channel. */
export function sameFingerprint(left: Fingerprint, right: Fingerprint): boolean {
  return timingSafeEqual(fingerprintBytes(left), fingerprintBytes(right));
}
