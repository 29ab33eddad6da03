import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { derToPem } from "./pem.ts";
import type { UnixMs } from "./unix_ms.ts";

/** What the CA knows about a certificate that it has just made. */
export interface IssuedCertificateFacts {
  readonly certificateDer: Uint8Array;
  /** The serial number, 32 lower-case hex digits. */
  readonly serialHex: string;
  /** When it was made; the certificate itself is valid from a little earlier. */
  readonly issuedAt: UnixMs;
  /** The certificate's `notAfter`. */
  readonly expiresAt: UnixMs;
  /** SHA-256 of the DER of the CA's own certificate. */
  readonly caFingerprint: Fingerprint;
}

/** A certificate that the CA has made. */
export class IssuedCertificate implements IssuedCertificateFacts {
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
  /** SHA-256 of the DER: the name by which a peer with this certificate is known. */
  readonly fingerprint: Fingerprint;
  readonly serialHex: string;
  readonly issuedAt: UnixMs;
  readonly expiresAt: UnixMs;
  readonly caFingerprint: Fingerprint;

  constructor(facts: IssuedCertificateFacts) {
    this.certificateDer = facts.certificateDer;
    this.certificatePem = derToPem(facts.certificateDer, "CERTIFICATE");
    this.fingerprint = fingerprintOf(facts.certificateDer);
    this.serialHex = facts.serialHex;
    this.issuedAt = facts.issuedAt;
    this.expiresAt = facts.expiresAt;
    this.caFingerprint = facts.caFingerprint;
  }
}

/** A server certificate with its private key, which no inspection, text or JSON form shows. */
export class IssuedServerCertificate extends IssuedCertificate {
  readonly #privateKeyPem: string;

  constructor(facts: IssuedCertificateFacts, privateKeyPem: string) {
    super(facts);
    this.#privateKeyPem = privateKeyPem;
  }

  /** PKCS#8 PEM of the certificate's own key. */
  get privateKeyPem(): string {
    return this.#privateKeyPem;
  }
}
