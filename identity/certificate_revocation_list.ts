import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { UnixMs } from "./unix_ms.ts";

/** How long a revocation list holds, in milliseconds: whoever checks by it fetches a new one within seven days. */
export const REVOCATION_LIST_VALIDITY_MS: number = 7 * 24 * 60 * 60 * 1000;

/** Why a certificate is in a list, as far as X.509 has words for it (RFC 5280 section 5.3.1). */
export type RevocationListReason = "superseded" | "privilege_withdrawn";

/** One certificate of a {@linkcode createRevocationList}. */
export interface RevocationListEntry {
  /** The serial number, lower-case hex. */
  readonly serialHex: string;
  readonly revokedAt: UnixMs;
  readonly reason: RevocationListReason;
}

/** The CA that a list is of, as it signs. */
export interface RevocationListIssuer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: CryptoKey;
}

const REASONS: Readonly<Record<RevocationListReason, x509.X509CrlReason>> = {
  superseded: x509.X509CrlReason.superseded,
  privilege_withdrawn: x509.X509CrlReason.privilegeWithdrawn,
};

const CRL_NUMBER = "2.5.29.20";
const NOT_CRITICAL = false;

/**
 * The X.509 list (CRL v2, DER) of the certificates of one CA that are revoked, signed at `at` and good for
 * {@linkcode REVOCATION_LIST_VALIDITY_MS}. Its number is the moment in milliseconds, so that a later list has a higher one.
 */
export async function createRevocationList(
  { certificate, privateKey }: RevocationListIssuer,
  entries: readonly RevocationListEntry[],
  at: UnixMs,
): Promise<Uint8Array> {
  const keyId = certificate.getExtension(x509.SubjectKeyIdentifierExtension)?.keyId;
  const list = await x509.X509CrlGenerator.create({
    issuer: certificate.subjectName,
    thisUpdate: new Date(at),
    nextUpdate: new Date(at + REVOCATION_LIST_VALIDITY_MS),
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    signingKey: privateKey,
    entries: entries.map(({ serialHex, revokedAt, reason }) => ({
      serialNumber: serialHex,
      revocationDate: new Date(revokedAt),
      reason: REASONS[reason],
    })),
    extensions: [
      ...(keyId === undefined ? [] : [new x509.AuthorityKeyIdentifierExtension(keyId, NOT_CRITICAL)]),
      new x509.Extension(CRL_NUMBER, NOT_CRITICAL, derInteger(at)),
    ],
  });
  return new Uint8Array(list.rawData);
}

/** A DER INTEGER that is not negative. */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  const hex = value.toString(16);
  const bytes = Uint8Array.fromHex(hex.length % 2 === 0 ? hex : `0${hex}`);
  const padding = (bytes[0] ?? 0) >= 0x80 ? [0] : [];
  return new Uint8Array([0x02, padding.length + bytes.length, ...padding, ...bytes]);
}
