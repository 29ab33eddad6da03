import { PalyraError } from "./palyra_error.ts";

/** The kinds of PEM blocks that Palyra writes and reads (RFC 7468). */
export type PemLabel = "CERTIFICATE" | "PRIVATE KEY" | "X509 CRL";

// A chain of a few certificates is a few kilobytes; anything near this is not one.
const MAX_PEM_CHARACTERS = 64 * 1024;
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----\s([A-Za-z0-9+/=\s]*?)-----END \1-----/g;

/** One DER object as a PEM block that ends with a line feed. */
export function derToPem(der: Uint8Array, label: PemLabel): string {
  const lines = der.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** Certificates, leaf first, as one PEM text. */
export function certificateChainToPem(chain: readonly Uint8Array[]): string {
  return chain.map((der) => derToPem(der, "CERTIFICATE")).join("");
}

/**
 * Every block of `label` in `pem`, in order; blocks of other labels are passed over.
 * Throws `invalid_argument` when there is none, one is not base64, or the text is longer than 64 KiB.
 */
export function pemToDers(pem: string, label: PemLabel = "CERTIFICATE"): Uint8Array[] {
  const ders: Uint8Array[] = [];
  if (pem.length <= MAX_PEM_CHARACTERS) {
    for (const [, found, base64] of pem.matchAll(BLOCK)) {
      if (found === label && base64 !== undefined) ders.push(decode(base64));
    }
  }
  if (ders.length === 0) throw notPem(label);
  return ders;

  function decode(base64: string): Uint8Array {
    try {
      return Uint8Array.fromBase64(base64);
    } catch {
      throw notPem(label);
    }
  }
}

/** The first block of `label` in `pem`; throws like {@linkcode pemToDers}. */
export function pemToDer(pem: string, label: PemLabel = "CERTIFICATE"): Uint8Array {
  const [first] = pemToDers(pem, label);
  if (first === undefined) throw notPem(label);
  return first;
}

function notPem(label: PemLabel): PalyraError {
  return new PalyraError("invalid_argument", `The text has no readable PEM block "${label}" (64 KiB at most).`);
}
