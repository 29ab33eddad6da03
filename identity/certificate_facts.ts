import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { deviceOfCommonName, parseSpiffeUri } from "./certificate_names.ts";
import type { ClientKind } from "./client_kind.ts";
import type { DeviceId } from "./device_id.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { pemToDer } from "./pem.ts";
import { sameBytes } from "./same_bytes.ts";
import { type UnixMs, unixMs } from "./unix_ms.ts";

/** What a certificate says. Saying is not proving: see {@linkcode verifyIssuedBy}. */
export interface CertificateFacts {
  /** SHA-256 of the DER. */
  readonly fingerprint: Fingerprint;
  readonly notBefore: UnixMs;
  readonly notAfter: UnixMs;
  /** The only URI among the alternative names. */
  readonly spiffeUri?: string;
  /** These three are there when common name and SPIFFE URI both name the same device. */
  readonly deviceId?: DeviceId;
  readonly clientKind?: ClientKind;
  readonly trustDomain?: string;
}

/** What a leaf may be used for. */
export type CertificatePurpose = "client" | "server";

const MAX_CERTIFICATE_BYTES = 16 * 1024;

/** Reads a certificate, DER or PEM (the first of a chain); throws `certificate_untrusted` when it is not one. */
export function parseCertificateFacts(certificate: Uint8Array | string): CertificateFacts {
  try {
    const der = typeof certificate === "string" ? pemToDer(certificate) : certificate;
    return factsOf(read(der), der);
  } catch (cause) {
    throw new PalyraError("certificate_untrusted", "What was shown as a certificate cannot be read as one.", { cause });
  }
}

/**
 * Judges a leaf against one CA at a time: undefined when the CA signed it and both are valid then. Else
 * `certificate_untrusted` (another issuer, a bad signature, a CA itself, not for `purpose`, unreadable),
 * `certificate_not_yet_valid` or `certificate_expired`. Revocation is not looked at.
 */
export async function verifyIssuedBy(
  leafDer: Uint8Array,
  caDer: Uint8Array,
  at: UnixMs,
  purpose?: CertificatePurpose,
): Promise<PalyraError | undefined> {
  let leaf: x509.X509Certificate;
  let authority: x509.X509Certificate;
  try {
    leaf = read(leafDer);
    authority = read(caDer);
    const issuedByName = sameBytes(nameBytes(leaf.issuerName), nameBytes(authority.subjectName));
    const chained = issuedByName && mayIssue(authority) && !isAuthority(leaf) && servesPurpose(leaf, purpose);
    if (!chained || !await leaf.verify({ publicKey: authority.publicKey, signatureOnly: true })) {
      return untrusted();
    }
  } catch (cause) {
    return untrusted(cause);
  }
  const notBefore = Math.max(leaf.notBefore.getTime(), authority.notBefore.getTime());
  const notAfter = Math.min(leaf.notAfter.getTime(), authority.notAfter.getTime());
  if (at < notBefore) {
    return new PalyraError(
      "certificate_not_yet_valid",
      `The certificate is valid only from ${new Date(notBefore).toISOString()}; check the clocks of both machines.`,
    );
  }
  if (at > notAfter) {
    return new PalyraError(
      "certificate_expired",
      `The certificate expired at ${new Date(notAfter).toISOString()}; renew it, or check the clocks of both machines.`,
    );
  }
  return undefined;
}

/** Whether a certificate (DER) is a CA's own: self-signed, and of a key that may sign certificates. */
export async function isAuthorityCertificate(der: Uint8Array): Promise<boolean> {
  try {
    const certificate = read(der);
    const selfIssued = sameBytes(nameBytes(certificate.issuerName), nameBytes(certificate.subjectName));
    return selfIssued && mayIssue(certificate) && await certificate.verify({ signatureOnly: true });
  } catch {
    return false;
  }
}

function read(der: Uint8Array): x509.X509Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new RangeError("certificate too long");
  return new x509.X509Certificate(new Uint8Array(der));
}

function factsOf(certificate: x509.X509Certificate, der: Uint8Array): CertificateFacts {
  const validity = {
    fingerprint: fingerprintOf(der),
    notBefore: unixMs(Math.max(0, certificate.notBefore.getTime())),
    notAfter: unixMs(Math.max(0, certificate.notAfter.getTime())),
  };
  const uris = (certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.items ?? [])
    .filter((name) => name.type === "url");
  const [uri] = uris;
  if (uri === undefined || uris.length !== 1) return validity;
  const name = parseSpiffeUri(uri.value);
  const commonNames = certificate.subjectName.getField("CN");
  const named = commonNames.length === 1 ? deviceOfCommonName(commonNames[0] ?? "") : undefined;
  if (name === undefined || name.deviceId !== named) return { ...validity, spiffeUri: uri.value };
  return { ...validity, spiffeUri: uri.value, ...name };
}

function isAuthority(certificate: x509.X509Certificate): boolean {
  return certificate.getExtension(x509.BasicConstraintsExtension)?.ca === true;
}

function mayIssue(certificate: x509.X509Certificate): boolean {
  const usages = certificate.getExtension(x509.KeyUsagesExtension)?.usages ?? 0;
  return isAuthority(certificate) && (usages & x509.KeyUsageFlags.keyCertSign) !== 0;
}

function servesPurpose(certificate: x509.X509Certificate, purpose: CertificatePurpose | undefined): boolean {
  if (purpose === undefined) return true;
  const wanted = purpose === "client" ? x509.ExtendedKeyUsage.clientAuth : x509.ExtendedKeyUsage.serverAuth;
  return certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages.includes(wanted) === true;
}

function nameBytes(name: x509.Name): Uint8Array {
  return new Uint8Array(name.toArrayBuffer());
}

function untrusted(cause?: unknown): PalyraError {
  return new PalyraError(
    "certificate_untrusted",
    "The certificate was not issued by the expected CA for this use; pair again, or check that this is the right daemon.",
    { cause },
  );
}
