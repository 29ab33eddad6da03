import { type CertificateFacts, parseCertificateFacts } from "../../identity/certificate_facts.ts";
import { parseFingerprint, shortFingerprint } from "../../identity/fingerprint.ts";
import * as stored from "../../identity/stored_authority.ts";
import { systemClock, type UnixMs } from "../../identity/unix_ms.ts";
import type { Attempt } from "../../transport/program/doctor/attempt.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { failed, type Finding, findingOf, ok, skippedFor, warning } from "../../transport/program/doctor/finding.ts";
import { relativeTime } from "../../transport/program/relative_time.ts";
import type { SecretReader } from "../operator_credentials.ts";
import type { DatabaseContent } from "./state_database.ts";

/** A CA that ends sooner than this is worth a word, in milliseconds: 90 days. */
const NEAR_ITS_END_MS = 90 * 24 * 3_600_000;

const BEGIN_ANEW = "move the state folder away and pair every device again";

/** The daemon's CA, as it lies in the state folder. */
export interface AuthorityFiles {
  readonly certificatePem: string;
  readonly facts: CertificateFacts;
}

/**
 * Reads the CA that issues and holds certificate and key against each other; undefined when there is none.
 *
 * @param known the fingerprint of the CA that issues, by the database; without it the first CA is taken, as it is when that
 * one is not there. Rejects with `state_damaged`, `state_read_only` or `permission_missing`.
 */
export async function readAuthority(
  secrets: SecretReader,
  known: string | undefined,
): Promise<AuthorityFiles | undefined> {
  const authority = known && await stored.readAuthority(secrets, parseFingerprint(known), systemClock) ||
    await stored.readFirstAuthority(secrets, systemClock);
  if (authority === undefined) return undefined;
  const { certificatePem, certificateDer } = authority;
  return { certificatePem, facts: parseCertificateFacts(certificateDer) };
}

/** Whether the CA is there with its key, is the one whose devices are paired here, and lives on for a while. */
export function caCheck(
  authority: Attempt<AuthorityFiles | undefined>,
  database: Attempt<DatabaseContent | undefined>,
  now: UnixMs,
): Check {
  const examine = (): Finding => {
    if (authority.failure !== undefined) return findingOf("failed", authority.failure);
    const known = database.value?.caFingerprint;
    if (authority.value === undefined) {
      if (known === undefined) return skippedFor("state_folder");
      return failed("state_damaged", "The CA is gone, and devices are paired with it.", "Restore it from a backup.");
    }
    const { fingerprint, notAfter } = authority.value.facts;
    if (known !== undefined && known !== fingerprint) {
      return failed(
        "state_damaged",
        "The CA is another one than that whose devices are paired here.",
        `Restore \`secrets\` from the backup that the database is of, or ${BEGIN_ANEW}.`,
      );
    }
    const name = `The CA ${shortFingerprint(fingerprint)}`;
    if (now > notAfter) {
      return failed(
        "certificate_expired",
        `${name} expired at ${new Date(notAfter).toISOString()}.`,
        `Check this machine's clock; if it is right, ${BEGIN_ANEW}.`,
      );
    }
    const seen = `${name} is there with its key and expires ${relativeTime(notAfter, now)}.`;
    return notAfter - now < NEAR_ITS_END_MS
      ? warning("certificate_expired", seen, "Before then, change it: `palyrad ca rotate --help`.")
      : ok(seen);
  };
  return { name: "ca", examine };
}
