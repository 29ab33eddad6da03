import { CertificateAuthority } from "./certificate_authority.ts";
import { type Fingerprint, fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { pemToDer } from "./pem.ts";
import type { SecretStore } from "./secret_store.ts";
import type { Clock } from "./unix_ms.ts";

/** The certificate of the first CA in the secret store. */
export const CA_CERTIFICATE_SECRET = "ca-certificate.pem";

/** The private key of the first CA in the secret store. */
export const CA_KEY_SECRET = "ca-key.pem";

/** What is read of a {@linkcode SecretStore}. */
export type AuthorityReader = Pick<SecretStore, "folder" | "read">;

/** What is written to a {@linkcode SecretStore}. */
export type AuthorityFiles = AuthorityReader & Pick<SecretStore, "write" | "delete">;

/** Where a CA lies in the secret store. */
interface AuthorityNames {
  readonly certificate: string;
  readonly key: string;
}

const FIRST: AuthorityNames = { certificate: CA_CERTIFICATE_SECRET, key: CA_KEY_SECRET };

/** Each later CA has files of its own, so that none is ever written over: a rotation changes no file. */
function namesOf(fingerprint: Fingerprint): AuthorityNames {
  const name = fingerprint.slice(0, 16);
  return { certificate: `ca-${name}-certificate.pem`, key: `ca-${name}-key.pem` };
}

/**
 * Reads the first CA; undefined when there never was one. Rejects with `state_damaged`, naming the file and the cure, when
 * only one half of it is there or the halves do not fit.
 */
export async function readFirstAuthority(
  secrets: AuthorityReader,
  clock: Clock,
): Promise<CertificateAuthority | undefined> {
  return await read(secrets, FIRST, clock);
}

/**
 * Reads the CA of that fingerprint; undefined when it is not there, or another one is in its place. Rejects as
 * {@linkcode readFirstAuthority} does.
 */
export async function readAuthority(
  secrets: AuthorityReader,
  fingerprint: Fingerprint,
  clock: Clock,
): Promise<CertificateAuthority | undefined> {
  const authority = await read(secrets, namesOf(fingerprint), clock) ?? await read(secrets, FIRST, clock);
  return authority?.fingerprint === fingerprint ? authority : undefined;
}

/** Stores the first CA. */
export async function writeFirstAuthority(secrets: AuthorityFiles, authority: CertificateAuthority): Promise<void> {
  await write(secrets, FIRST, authority);
}

/** Stores a further CA beside those that are there. It means nothing until something names its fingerprint. */
export async function writeAuthority(secrets: AuthorityFiles, authority: CertificateAuthority): Promise<void> {
  await write(secrets, namesOf(authority.fingerprint), authority);
}

/** Removes a CA that counts no more, its key first. Does nothing when it is gone. */
export async function removeAuthority(secrets: AuthorityFiles, fingerprint: Fingerprint): Promise<void> {
  const names = await isFirst(secrets, fingerprint) ? FIRST : namesOf(fingerprint);
  await secrets.delete(names.key);
  await secrets.delete(names.certificate);
}

async function isFirst(secrets: AuthorityReader, fingerprint: Fingerprint): Promise<boolean> {
  const certificate = await secrets.read(CA_CERTIFICATE_SECRET);
  try {
    return certificate !== undefined && fingerprintOf(pemToDer(new TextDecoder().decode(certificate))) === fingerprint;
  } catch {
    return false;
  }
}

async function read(
  secrets: AuthorityReader,
  names: AuthorityNames,
  clock: Clock,
): Promise<CertificateAuthority | undefined> {
  const [certificate, key] = await Promise.all([secrets.read(names.certificate), secrets.read(names.key)]);
  if (certificate === undefined && key === undefined) return undefined;
  if (certificate === undefined) throw halfMissing(secrets, names.certificate, names.key);
  if (key === undefined) throw halfMissing(secrets, names.key, names.certificate);
  const decoder = new TextDecoder();
  try {
    return await CertificateAuthority.fromPem({
      certificatePem: decoder.decode(certificate),
      privateKeyPem: decoder.decode(key),
      clock,
    });
  } catch (cause) {
    throw new PalyraError(
      "state_damaged",
      `${names.certificate} and ${names.key} in ${secrets.folder} cannot be used: ${PalyraError.from(cause).message}`,
      { cause },
    );
  }
}

/** The certificate last: with it, the CA is all there. */
async function write(secrets: AuthorityFiles, names: AuthorityNames, authority: CertificateAuthority): Promise<void> {
  const encoder = new TextEncoder();
  await secrets.write(names.key, encoder.encode(await authority.exportPrivateKeyPem()));
  await secrets.write(names.certificate, encoder.encode(authority.certificatePem));
}

function halfMissing(secrets: AuthorityReader, missing: string, there: string): PalyraError {
  return new PalyraError(
    "state_damaged",
    `${missing} is missing in ${secrets.folder} although ${there} is there; restore it from a backup. If palyrad never ` +
      `ran to the end with this state folder, remove ${there}, and a new CA is made.`,
  );
}
