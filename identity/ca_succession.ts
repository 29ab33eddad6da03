import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { sameBytes } from "./same_bytes.ts";

/** Links that a succession may have: a daemon keeps no more, and a device looks at no longer one. */
export const MAX_SUCCESSION_LINKS = 16;

const MAX_CERTIFICATE_BYTES = 16 * 1024;

/**
 * Follows a daemon from a CA that a device trusts to the CA that its server has now. Each link is a certificate of a
 * CA's key that the CA before it has signed (RFC 4210 section 4.4, "new with old"), as
 * `CertificateAuthority.certifySuccessor` makes them, oldest first.
 *
 * Links before the first that a trusted CA has signed are of a time before the device was paired, and passed over. From
 * there on each must be signed by the key of the one before it, be a CA, and bring a key that has not come yet; the last
 * one must bring the key of `serverCa`. Time is not looked at: a succession says who follows whom, and whether the
 * server's certificate is valid now is for TLS to say.
 *
 * @param trusted CA certificates, DER.
 * @param serverCa the self-signed certificate of the CA that issued the server's certificate, DER.
 * @returns the CAs to trust, DER: `trusted` and `serverCa`; undefined when nothing leads from the ones to the other.
 */
export async function followSuccession(
  trusted: readonly Uint8Array[],
  succession: readonly Uint8Array[],
  serverCa: Uint8Array,
): Promise<Uint8Array[] | undefined> {
  if (trusted.some((known) => sameBytes(known, serverCa))) return [...trusted];
  if (succession.length > MAX_SUCCESSION_LINKS) return undefined;
  try {
    const target = read(serverCa);
    if (!isAuthority(target) || !await isSignedBy(target, target)) return undefined;
    const last = await follow(trusted.map(read), succession.map(read));
    return last !== undefined && leadsTo(last, target) ? [...trusted, serverCa] : undefined;
  } catch {
    // What cannot be read proves nothing.
    return undefined;
  }
}

/** The last of the links, when a trusted CA has signed one of them and the rest hold together. */
async function follow(
  trusted: readonly x509.X509Certificate[],
  links: readonly x509.X509Certificate[],
): Promise<x509.X509Certificate | undefined> {
  const roots = trusted.filter(isAuthority);
  let before: x509.X509Certificate | undefined;
  const seen = new Set<string>();
  for (const link of links) {
    // deno-lint-ignore no-await-in-loop -- each link is judged by the one before it
    const signer = before === undefined ? await signerOf(link, roots) : await signerOf(link, [before]);
    if (signer === undefined) {
      if (before === undefined) continue;
      return undefined;
    }
    seen.add(keyOf(signer));
    if (!isAuthority(link) || seen.has(keyOf(link))) return undefined;
    seen.add(keyOf(link));
    before = link;
  }
  return before;
}

async function signerOf(
  link: x509.X509Certificate,
  candidates: readonly x509.X509Certificate[],
): Promise<x509.X509Certificate | undefined> {
  for (const candidate of candidates) {
    // deno-lint-ignore no-await-in-loop -- the first that fits is taken; there are few
    if (await isSignedBy(link, candidate)) return candidate;
  }
  return undefined;
}

/** By name and by key: CAs of one daemon share their name, so the name alone says nothing. */
async function isSignedBy(certificate: x509.X509Certificate, issuer: x509.X509Certificate): Promise<boolean> {
  if (!sameName(certificate.issuerName, issuer.subjectName)) return false;
  return await certificate.verify({ publicKey: issuer.publicKey, signatureOnly: true });
}

function leadsTo(link: x509.X509Certificate, authority: x509.X509Certificate): boolean {
  return sameName(link.subjectName, authority.subjectName) && keyOf(link) === keyOf(authority);
}

function isAuthority(certificate: x509.X509Certificate): boolean {
  const usages = certificate.getExtension(x509.KeyUsagesExtension)?.usages ?? 0;
  return certificate.getExtension(x509.BasicConstraintsExtension)?.ca === true &&
    (usages & x509.KeyUsageFlags.keyCertSign) !== 0;
}

function keyOf(certificate: x509.X509Certificate): string {
  return new Uint8Array(certificate.publicKey.rawData).toHex();
}

function sameName(left: x509.Name, right: x509.Name): boolean {
  return sameBytes(new Uint8Array(left.toArrayBuffer()), new Uint8Array(right.toArrayBuffer()));
}

function read(der: Uint8Array): x509.X509Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new RangeError("certificate too long");
  return new x509.X509Certificate(new Uint8Array(der));
}
