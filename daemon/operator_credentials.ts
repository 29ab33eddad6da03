import { X509Certificate } from "node:crypto";
import { parseCertificateFacts, verifyIssuedBy } from "../identity/certificate_facts.ts";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import type { DeviceId } from "../identity/device_id.ts";
import type { Fingerprint } from "../identity/fingerprint.ts";
import type { IdentityManager } from "../identity/identity_manager.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer } from "../identity/pem.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import type { SecretStore } from "../identity/secret_store.ts";
import { CA_CERTIFICATE_SECRET } from "../identity/stored_authority.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { DAEMON_ACTOR } from "./audit/audit_act.ts";
import type { CertificateIssuer } from "./certificate_issuer.ts";
import { revokeCertificate } from "./certificate_ledger.ts";
import { renewalIsDue } from "./certificate_life.ts";
import { admitLocalOperator, isLocalOperator, type LocalOperatorOptions } from "./local_operator.ts";
import type { CertificateRecord } from "./store/device_record.ts";

/** Why certificates of the local operator are revoked that a later one has taken the place of. */
export const RENEWED_REASON = "renewed";

const CERTIFICATE = "operator-certificate.pem";
const KEY = "operator-key.pem";

/** The CAs that the operator's commands believe, in the secret store; before it was first written, the first CA alone. */
export const TRUST_BUNDLE_SECRET = "trust-bundle.pem";

/** How often the files are read again when they do not match, and how long is waited before, in milliseconds. */
const READ_AGAIN = 10;
const READ_AGAIN_AFTER_MS = 50;

/** What an operator's command needs to speak to the daemon of its own machine. */
export interface OperatorCredentials {
  /** PEM certificates of every CA to trust. */
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** What {@linkcode readOperatorCredentials} needs of a {@linkcode SecretStore}. */
export type SecretReader = Pick<SecretStore, "folder" | "read">;

/** What {@linkcode renewOperatorCredentials} needs. */
export interface OperatorCredentialsOptions extends LocalOperatorOptions {
  readonly issuer: CertificateIssuer;
  readonly identity: IdentityManager;
}

/**
 * Sees to it that this machine has an operator certificate among the daemon's secrets that is good for a while, so that
 * `palyrad` commands of its owner work without a token (design section 3). Issues a new one when there is none, when the
 * one there is would be refused or comes from a CA that issues no more, and when it has a third of its life left; the
 * answer is whether it did. What the commands trust is kept up to date too.
 */
export async function renewOperatorCredentials(options: OperatorCredentialsOptions): Promise<boolean> {
  await keepTrustBundle(options);
  const inUse = await certificateInUse(options);
  if (inUse !== undefined && !renewalIsDue(inUse, options.clock())) return false;
  await issueOperatorCredentials(options);
  return true;
}

/**
 * Writes a fresh operator certificate for this machine among the daemon's secrets. The one before it stays valid, so
 * that no command under way is cut off; those before that are revoked.
 */
async function issueOperatorCredentials(options: OperatorCredentialsOptions): Promise<void> {
  const { secrets, issuer } = options;
  const before = await fingerprintInUse(secrets);
  const tlsKey = await TlsKey.generate();
  const device = await admitLocalOperator(options, tlsKey);
  const { deviceId } = device;
  const certificate = await issuer.issue(device, await createCertificateRequest({ deviceId, tlsKey }));
  // Two files cannot be replaced at once: who reads between the two finds no match, and reads again.
  const encoder = new TextEncoder();
  await secrets.write(KEY, encoder.encode(await tlsKey.toPem()));
  await secrets.write(CERTIFICATE, encoder.encode(certificate.pem));
  await revokeAllBut([certificate.fingerprint, before], deviceId, options);
}

/**
 * Reads the operator certificate of a state folder. While the daemon is renewing it, key and certificate may not match
 * for a moment; then they are read again a few times. Throws `state_not_initialised` when there is none,
 * `state_damaged` when they do not match for good.
 *
 * @param pause waited for before each further reading; 50 ms by default.
 */
export async function readOperatorCredentials(
  secrets: SecretReader,
  pause: () => Promise<void> = () => new Promise((resolve) => setTimeout(resolve, READ_AGAIN_AFTER_MS)),
): Promise<OperatorCredentials> {
  for (let left = READ_AGAIN;; left--) {
    // deno-lint-ignore no-await-in-loop -- each reading follows the one before
    const [bundlePem, firstCaPem, certificatePem, keyPem] = await readTexts(secrets, [
      TRUST_BUNDLE_SECRET,
      CA_CERTIFICATE_SECRET,
      CERTIFICATE,
      KEY,
    ]);
    const caPem = bundlePem ?? firstCaPem;
    if (caPem === undefined || certificatePem === undefined || keyPem === undefined) {
      throw new PalyraError(
        "state_not_initialised",
        "This state folder has no operator certificate yet. Start the daemon once (`palyrad run`), or name its folder " +
          "with --state-root.",
      );
    }
    // deno-lint-ignore no-await-in-loop -- each reading follows the one before
    if (await belongTogether(certificatePem, keyPem)) return { caPem, certificatePem, keyPem };
    if (left === 0) {
      throw new PalyraError(
        "state_damaged",
        `${CERTIFICATE} and ${KEY} in ${secrets.folder} do not belong together. Start the daemon again (\`palyrad run\`): ` +
          "it makes new ones.",
      );
    }
    // deno-lint-ignore no-await-in-loop -- each reading follows the one before
    await pause();
  }
}

async function keepTrustBundle({ secrets, identity: { trustBundlePem } }: OperatorCredentialsOptions): Promise<void> {
  const [stored] = await readTexts(secrets, [TRUST_BUNDLE_SECRET]);
  if (stored !== trustBundlePem) await secrets.write(TRUST_BUNDLE_SECRET, new TextEncoder().encode(trustBundlePem));
}

/** The stored certificate, if the daemon would let its holder in and would issue it again. */
async function certificateInUse(
  { secrets, devices, identity, clock }: OperatorCredentialsOptions,
): Promise<CertificateRecord | undefined> {
  const [certificatePem, keyPem] = await readTexts(secrets, [CERTIFICATE, KEY]);
  if (certificatePem === undefined || keyPem === undefined) return undefined;
  if (!await belongTogether(certificatePem, keyPem)) return undefined;
  const der = pemToDer(certificatePem);
  const { fingerprint } = parseCertificateFacts(der);
  const peer = devices.identify({ fingerprint, der });
  if (peer instanceof PalyraError || !isLocalOperator(peer.device)) return undefined;
  const refused = await verifyIssuedBy(der, identity.ca.certificateDer, clock(), "client");
  return refused === undefined ? peer.certificate : undefined;
}

async function fingerprintInUse(secrets: SecretStore): Promise<Fingerprint | undefined> {
  const [certificatePem] = await readTexts(secrets, [CERTIFICATE]);
  try {
    return certificatePem === undefined ? undefined : parseCertificateFacts(certificatePem).fingerprint;
  } catch {
    // It is about to be replaced.
    return undefined;
  }
}

async function revokeAllBut(
  kept: readonly (Fingerprint | undefined)[],
  deviceId: DeviceId,
  { store, devices, clock }: OperatorCredentialsOptions,
): Promise<void> {
  const revocation = { revokedAt: clock(), revokedReason: RENEWED_REASON };
  const ended = devices.certificatesOf(deviceId).filter(({ fingerprint, revokedAt, expiresAt }) =>
    revokedAt === undefined && expiresAt > revocation.revokedAt && !kept.includes(fingerprint)
  );
  if (ended.length === 0) return;
  await store.transaction(async (tx) => {
    const { revokedAt: at, revokedReason: reason } = revocation;
    await Promise.all(
      ended.map((certificate) => revokeCertificate(tx, certificate, { at, reason, actor: DAEMON_ACTOR })),
    );
  });
  for (const certificate of ended) devices.putCertificate({ ...certificate, ...revocation });
}

async function belongTogether(certificatePem: string, keyPem: string): Promise<boolean> {
  try {
    const { publicKey } = await TlsKey.fromPem(keyPem);
    const certified = new X509Certificate(certificatePem).publicKey.export({ type: "spki", format: "der" });
    return sameBytes(new Uint8Array(certified), publicKey);
  } catch {
    // What cannot be read matches nothing.
    return false;
  }
}

async function readTexts(secrets: SecretReader, names: readonly string[]): Promise<(string | undefined)[]> {
  const decoder = new TextDecoder();
  const contents = await Promise.all(names.map((name) => secrets.read(name)));
  return contents.map((content) => content && decoder.decode(content));
}
