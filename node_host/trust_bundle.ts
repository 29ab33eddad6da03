import { isAuthorityCertificate } from "../identity/certificate_facts.ts";
import { type Fingerprint, fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { certificateChainToPem, pemToDers } from "../identity/pem.ts";

/** CAs that a daemon may want trusted at once; one that rotates as fast as it can has five. */
const MAX_AUTHORITIES = 8;

/** The CAs that this machine trusts, while it runs. */
export interface TrustHolder {
  /** Those on the disk. */
  readonly authorities: readonly Fingerprint[];
  /**
   * Trusts those of a PEM text in their place, and resolves with them once they are on the disk. Rejects as
   * {@linkcode checkTrustBundle} does, or with why they could not be stored; then nothing has changed.
   */
  adopt(trustBundlePem: string): Promise<readonly Fingerprint[]>;
}

/** The fingerprints of the CAs in a PEM text; throws `invalid_argument` as `pemToDers` does. */
export function authoritiesOf(trustBundlePem: string): Fingerprint[] {
  return pemToDers(trustBundlePem).map(fingerprintOf);
}

/**
 * Checks what a daemon wants trusted from now on: one to eight CAs, at least one of which is trusted already, so that no
 * mistake of its can lock this machine out. Resolves with a PEM text of them and nothing else; rejects with
 * `daemon_untrusted`.
 */
export async function checkTrustBundle(trustBundlePem: string, trustedPem: string): Promise<string> {
  let ders: Uint8Array[];
  try {
    ders = pemToDers(trustBundlePem);
  } catch (cause) {
    throw unusable("cannot be read", cause);
  }
  if (ders.length > MAX_AUTHORITIES) throw unusable(`are more than ${MAX_AUTHORITIES}`);
  const judged = await Promise.all(ders.map(isAuthorityCertificate));
  if (judged.includes(false)) throw unusable("are not all CAs");
  const trusted = authoritiesOf(trustedPem);
  if (!ders.some((der) => trusted.includes(fingerprintOf(der)))) {
    throw unusable("have none in common with those that are trusted now");
  }
  return certificateChainToPem(ders);
}

function unusable(what: string, cause?: unknown): PalyraError {
  return new PalyraError(
    "daemon_untrusted",
    `The CAs that the daemon wants trusted ${what}. Those that are trusted stay; make sure that palyrad and palyra-node ` +
      "are of matching versions.",
    { cause },
  );
}
