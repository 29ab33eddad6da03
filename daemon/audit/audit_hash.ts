import { createHash, timingSafeEqual } from "node:crypto";

/** A SHA-256 of the audit's chain, as 64 lower-case hex digits. */
export type AuditHash = string & { readonly __brand: "AuditHash" };

const HEX_SHA256 = /^[0-9a-f]{64}$/;

/** What the first record goes on from. */
export const NO_AUDIT_HASH: AuditHash = "0".repeat(64) as AuditHash;

/** Narrows text. */
export function isAuditHash(text: string): text is AuditHash {
  return HEX_SHA256.test(text);
}

/** The hash of a text in UTF-8. */
export function auditHashOf(text: string): AuditHash {
  return createHash("sha256").update(text, "utf8").digest("hex") as AuditHash;
}

/** The hash whose bytes these are: of a table, where somebody may have put anything; such a thing equals no hash. */
export function auditHashOfBytes(bytes: Uint8Array): AuditHash {
  return bytes.toHex() as AuditHash;
}

/** Compares without a timing side channel: for what proves something. */
export function sameAuditHash(left: AuditHash, right: AuditHash): boolean {
  return timingSafeEqual(Uint8Array.fromHex(left), Uint8Array.fromHex(right));
}
