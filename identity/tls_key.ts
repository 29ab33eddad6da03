import { p256 } from "@noble/curves/nist.js";
import { PalyraError } from "./palyra_error.ts";
import { derToPem, pemToDer } from "./pem.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" } as const;

// SubjectPublicKeyInfo of an uncompressed P-256 point (RFC 5480): all but the two coordinates.
const SPKI_PREFIX = "3059301306072a8648ce3d020106082a8648ce3d03010703420004";
const SPKI_BYTES = 91;

/**
 * An ECDSA P-256 key pair for TLS: of a device's client certificate, the daemon's server certificate, or the CA.
 * A device makes a new one for each certificate. Prints without its key.
 */
export class TlsKey {
  /** For WebCrypto; the private key is extractable, as it has to be stored. */
  readonly keys: CryptoKeyPair;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;

  private constructor(keys: CryptoKeyPair, publicKey: Uint8Array) {
    this.keys = keys;
    this.publicKey = publicKey;
  }

  /** Makes a fresh key pair. */
  static async generate(): Promise<TlsKey> {
    const extractable = true;
    const keys = await crypto.subtle.generateKey(ALGORITHM, extractable, ["sign", "verify"]);
    return new TlsKey(keys, new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey)));
  }

  /** Reads a PKCS#8 PEM block; throws `state_damaged` when it is not a P-256 private key. */
  static async fromPem(pem: string): Promise<TlsKey> {
    try {
      const extractable = true;
      const pkcs8 = new Uint8Array(pemToDer(pem, "PRIVATE KEY"));
      const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, extractable, ["sign"]);
      const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
      if (kty === undefined || crv === undefined || x === undefined || y === undefined) {
        throw new Error("no public key");
      }
      const publicJwk: JsonWebKey = { kty, crv, x, y };
      const publicKey = await crypto.subtle.importKey("jwk", publicJwk, ALGORITHM, extractable, ["verify"]);
      const spki = new Uint8Array(await crypto.subtle.exportKey("spki", publicKey));
      return new TlsKey({ privateKey, publicKey }, spki);
    } catch {
      // The reason is left out on purpose: a parser's message about a private key may quote it.
      throw new PalyraError(
        "state_damaged",
        "The TLS private key is not a PKCS#8 PEM of an ECDSA P-256 key; restore it from a backup or make a new one.",
      );
    }
  }

  /** The private key as PKCS#8 PEM, for the secret store and for TLS libraries. */
  async toPem(): Promise<string> {
    return derToPem(new Uint8Array(await crypto.subtle.exportKey("pkcs8", this.keys.privateKey)), "PRIVATE KEY");
  }
}

/**
 * Whether `spki` is the one DER encoding of an uncompressed point on P-256. Decoding the point here matters: WebCrypto's
 * importKey takes points that are not on the curve.
 */
export function isP256PublicKey(spki: Uint8Array): boolean {
  if (spki.length !== SPKI_BYTES || spki.subarray(0, SPKI_PREFIX.length / 2).toHex() !== SPKI_PREFIX) return false;
  try {
    p256.Point.fromBytes(p256Point(spki)).assertValidity();
    return true;
  } catch {
    return false;
  }
}

/** The 65-byte uncompressed point within a SubjectPublicKeyInfo that {@linkcode isP256PublicKey} accepted. */
export function p256Point(spki: Uint8Array): Uint8Array {
  return spki.subarray(SPKI_BYTES - 65);
}
