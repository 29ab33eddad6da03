import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import {
  CA_COMMON_NAME,
  type ClientName,
  deviceCommonName,
  ORGANISATION,
  SERVER_COMMON_NAME,
  spiffeUri,
} from "./certificate_names.ts";
import { createRevocationList, type RevocationListEntry } from "./certificate_revocation_list.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { IssuedCertificate, type IssuedCertificateFacts, IssuedServerCertificate } from "./issued_certificate.ts";
import { PalyraError } from "./palyra_error.ts";
import { derToPem, pemToDer } from "./pem.ts";
import { secureRandomBytes } from "./random_bytes.ts";
import { sameBytes } from "./same_bytes.ts";
import { serverAddresses, serverDnsNames } from "./server_names.ts";
import { isP256PublicKey, TlsKey } from "./tls_key.ts";
import { type Clock, type UnixMs, unixMs } from "./unix_ms.ts";

/** How long a new CA is valid, in milliseconds: ten years. */
export const CA_VALIDITY_MS: number = 3_652 * 24 * 60 * 60 * 1000;

/** How long a certificate is valid when its issuer's configuration does not say otherwise: 24 h, in milliseconds. */
export const DEFAULT_CERTIFICATE_VALIDITY_MS: number = 24 * 60 * 60 * 1000;

/** Clocks differ: a certificate is valid from this long before it was made, in milliseconds. */
export const CERTIFICATE_BACKDATE_MS: number = 5 * 60 * 1000;

const SIGNING = { name: "ECDSA", hash: "SHA-256" } as const;
const SERIAL_BYTES = 16;
const CRITICAL = true;
const NOT_CRITICAL = false;

/** What a client certificate is to say. */
export interface ClientCertificateOrder extends ClientName {
  /** SubjectPublicKeyInfo of the device's P-256 TLS key, as {@linkcode parseCertificateRequest} gives it. */
  readonly publicKey: Uint8Array;
  readonly validityMs: number;
}

/** What a server certificate is to say; `localhost`, `palyrad`, `127.0.0.1` and `::1` are always in it. */
export interface ServerCertificateOrder {
  /** Further DNS names. */
  readonly names: readonly string[];
  /** Further IP addresses. */
  readonly addresses: readonly string[];
  readonly validityMs: number;
}

/** The daemon's private CA: an ECDSA P-256 key, a self-signed certificate, and the rules for what it issues. */
export class CertificateAuthority {
  readonly certificateDer: Uint8Array;
  readonly certificatePem: string;
  /** SHA-256 of the certificate's DER: what a QR token pins. */
  readonly fingerprint: Fingerprint;
  /** The certificate's `notAfter`; nothing it issues outlives it. */
  readonly expiresAt: UnixMs;
  readonly #certificate: x509.X509Certificate;
  readonly #key: TlsKey;
  readonly #clock: Clock;

  private constructor(certificate: x509.X509Certificate, key: TlsKey, clock: Clock) {
    this.certificateDer = new Uint8Array(certificate.rawData);
    this.certificatePem = derToPem(this.certificateDer, "CERTIFICATE");
    this.fingerprint = fingerprintOf(this.certificateDer);
    this.expiresAt = unixMs(certificate.notAfter.getTime());
    this.#certificate = certificate;
    this.#key = key;
    this.#clock = clock;
  }

  /** Makes a new CA: P-256, self-signed, valid for ten years, may sign leaf certificates and CRLs only. */
  static async create(
    options: { readonly clock: Clock; readonly commonName?: string },
  ): Promise<CertificateAuthority> {
    const key = await TlsKey.generate();
    const { notBefore, notAfter } = validity(options.clock(), CA_VALIDITY_MS);
    const keyIdentifier = await x509.SubjectKeyIdentifierExtension.create(key.keys.publicKey);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: newSerial(),
      name: [{ CN: [options.commonName ?? CA_COMMON_NAME] }],
      keys: key.keys,
      signingAlgorithm: SIGNING,
      notBefore,
      notAfter,
      extensions: [...authorityExtensions(), keyIdentifier],
    });
    return new CertificateAuthority(certificate, key, options.clock);
  }

  /**
   * Restores a CA. Throws `state_damaged` when the certificate is not a self-signed CA certificate that may sign
   * certificates, or the private key is not its own.
   */
  static async fromPem(
    stored: { readonly certificatePem: string; readonly privateKeyPem: string; readonly clock: Clock },
  ): Promise<CertificateAuthority> {
    const key = await TlsKey.fromPem(stored.privateKeyPem);
    const certificate = parseAuthority(stored.certificatePem);
    if (!sameBytes(new Uint8Array(certificate.publicKey.rawData), key.publicKey)) {
      throw damaged("belongs to another private key");
    }
    if (!await certificate.verify({ signatureOnly: true })) {
      throw damaged("is not signed by its own key");
    }
    return new CertificateAuthority(certificate, key, stored.clock);
  }

  /** The private key as PKCS#8 PEM, for the secret store and nowhere else. */
  exportPrivateKeyPem(): Promise<string> {
    return this.#key.toPem();
  }

  /**
   * Issues a device's client certificate: `CN=Palyra Device <id>, O=Palyra`, a SPIFFE URI as its only alternative
   * name, clientAuth only. Throws `invalid_argument` at a key that is not P-256, a bad trust domain or validity, and
   * `certificate_expired` when the CA itself has expired.
   */
  async issueClientCertificate(order: ClientCertificateOrder): Promise<IssuedCertificate> {
    if (!isP256PublicKey(order.publicKey)) {
      throw new PalyraError("invalid_argument", "A client certificate is issued for an ECDSA P-256 key only.");
    }
    return new IssuedCertificate(
      await this.#issue({
        subject: [{ CN: [deviceCommonName(order.deviceId)] }, { O: [ORGANISATION] }],
        alternativeNames: [{ type: "url", value: spiffeUri(order) }],
        usage: x509.ExtendedKeyUsage.clientAuth,
        publicKey: order.publicKey,
        validityMs: order.validityMs,
      }),
    );
  }

  /**
   * Issues a server certificate with a fresh key of its own: `CN=palyrad`, serverAuth only. Throws `invalid_argument`
   * at a bad name, address or validity, and `certificate_expired` when the CA itself has expired.
   */
  async issueServerCertificate(order: ServerCertificateOrder): Promise<IssuedServerCertificate> {
    const names = serverDnsNames(order.names).map((value) => ({ type: "dns", value }) as const);
    const addresses = serverAddresses(order.addresses).map((value) => ({ type: "ip", value }) as const);
    const key = await TlsKey.generate();
    const facts = await this.#issue({
      subject: [{ CN: [SERVER_COMMON_NAME] }],
      alternativeNames: [...names, ...addresses],
      usage: x509.ExtendedKeyUsage.serverAuth,
      publicKey: key.publicKey,
      validityMs: order.validityMs,
    });
    return new IssuedServerCertificate(facts, await key.toPem());
  }

  /**
   * Says that `successor` follows this CA: a certificate (DER) of its key, signed by this one's (RFC 4210 section 4.4,
   * "new with old"). Both have the same name, so it counts as self-issued and the path length of this CA allows it
   * (RFC 5280 section 4.2.1.9). Valid as long as both are, or as the successor where this one has expired already.
   */
  async certifySuccessor(successor: CertificateAuthority): Promise<Uint8Array> {
    const now = this.#clock();
    const latest = now < this.expiresAt ? Math.min(this.expiresAt, successor.expiresAt) : successor.expiresAt;
    const { notBefore, notAfter } = validity(now, CA_VALIDITY_MS, latest);
    const { subjectName: subject, publicKey } = successor.#certificate;
    return await this.#sign({
      serialNumber: newSerial(),
      subject,
      publicKey,
      notBefore,
      notAfter,
      extensions: authorityExtensions(),
    });
  }

  /** The list of this CA's revoked certificates, DER; see {@linkcode createRevocationList}. */
  issueRevocationList(entries: readonly RevocationListEntry[]): Promise<Uint8Array> {
    const issuer = { certificate: this.#certificate, privateKey: this.#key.keys.privateKey };
    return createRevocationList(issuer, entries, this.#clock());
  }

  async #issue(leaf: Leaf): Promise<IssuedCertificateFacts> {
    const issuedAt = this.#clock();
    if (issuedAt >= this.expiresAt) {
      throw new PalyraError("certificate_expired", "The daemon's CA has expired; its operator has to make a new one.");
    }
    const { notBefore, notAfter } = validity(issuedAt, leaf.validityMs, this.expiresAt);
    const serialNumber = newSerial();
    const publicKey = new x509.PublicKey(new Uint8Array(leaf.publicKey));
    const authority = false;
    const pathLength = undefined;
    const certificateDer = await this.#sign({
      serialNumber,
      subject: leaf.subject,
      publicKey,
      notBefore,
      notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(authority, pathLength, CRITICAL),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, CRITICAL),
        new x509.ExtendedKeyUsageExtension([leaf.usage], NOT_CRITICAL),
        new x509.SubjectAlternativeNameExtension([...leaf.alternativeNames], NOT_CRITICAL),
      ],
    });
    return {
      certificateDer,
      serialHex: serialNumber,
      issuedAt,
      expiresAt: unixMs(notAfter.getTime()),
      caFingerprint: this.fingerprint,
    };
  }

  /** Signs a certificate (DER) whose key identifiers name its own key and this CA's. */
  async #sign({ extensions, publicKey, ...certificate }: Unsigned): Promise<Uint8Array> {
    const { rawData } = await x509.X509CertificateGenerator.create({
      ...certificate,
      publicKey,
      issuer: this.#certificate.subjectName,
      signingKey: this.#key.keys.privateKey,
      signingAlgorithm: SIGNING,
      extensions: [
        ...extensions,
        await x509.SubjectKeyIdentifierExtension.create(publicKey),
        new x509.AuthorityKeyIdentifierExtension(subjectKeyIdentifier(this.#certificate), NOT_CRITICAL),
      ],
    });
    return new Uint8Array(rawData);
  }
}

/** What a certificate says beside who signs it. */
interface Unsigned {
  readonly serialNumber: string;
  readonly subject: x509.JsonName | x509.Name;
  readonly publicKey: x509.PublicKey;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly x509.Extension[];
}

interface Leaf {
  readonly subject: x509.JsonName;
  readonly alternativeNames: readonly { readonly type: "dns" | "ip" | "url"; readonly value: string }[];
  readonly usage: x509.ExtendedKeyUsage;
  readonly publicKey: Uint8Array;
  readonly validityMs: number;
}

/** A CA that may sign leaf certificates and CRLs only. */
function authorityExtensions(): x509.Extension[] {
  const authority = true;
  const pathLength = 0;
  return [
    new x509.BasicConstraintsExtension(authority, pathLength, CRITICAL),
    new x509.KeyUsagesExtension(
      x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
      CRITICAL,
    ),
  ];
}

function parseAuthority(pem: string): x509.X509Certificate {
  let certificate: x509.X509Certificate;
  try {
    certificate = new x509.X509Certificate(new Uint8Array(pemToDer(pem)));
  } catch (cause) {
    throw damaged("cannot be read", cause);
  }
  const signs = certificate.getExtension(x509.KeyUsagesExtension)?.usages ?? 0;
  const isAuthority = certificate.getExtension(x509.BasicConstraintsExtension)?.ca === true;
  if (!isAuthority || (signs & x509.KeyUsageFlags.keyCertSign) === 0) throw damaged("may not sign certificates");
  subjectKeyIdentifier(certificate);
  return certificate;
}

function subjectKeyIdentifier(certificate: x509.X509Certificate): string {
  const extension = certificate.getExtension(x509.SubjectKeyIdentifierExtension);
  if (extension === null) throw damaged("has no subject key identifier");
  return extension.keyId;
}

/** 128 random bits, positive and 16 bytes long (RFC 5280 section 4.1.2.2 allows up to 20). */
function newSerial(): string {
  const serial = secureRandomBytes(SERIAL_BYTES);
  // A leading zero byte would be dropped; it comes once in 256 times.
  return serial[0] === 0 ? newSerial() : serial.toHex();
}

/** Certificates count in whole seconds: begins are rounded down, ends too, so that no one trusts longer than was said. */
function validity(now: UnixMs, validityMs: number, latest = Infinity): { notBefore: Date; notAfter: Date } {
  if (!Number.isSafeInteger(validityMs) || validityMs < 1000 || validityMs > CA_VALIDITY_MS) {
    throw new PalyraError("invalid_argument", "A certificate is valid for at least one second and at most ten years.");
  }
  const wholeSecond = (time: number): Date => new Date(Math.floor(time / 1000) * 1000);
  return {
    notBefore: wholeSecond(Math.max(0, now - CERTIFICATE_BACKDATE_MS)),
    notAfter: wholeSecond(Math.min(now + validityMs, latest)),
  };
}

function damaged(what: string, cause?: unknown): PalyraError {
  return new PalyraError(
    "state_damaged",
    `The CA certificate ${what}; restore certificate and private key together from a backup.`,
    { cause },
  );
}
