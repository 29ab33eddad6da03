import { sourceOf } from "../identity/source_address.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { CertificateRecord } from "./store/device_record.ts";
import type { RecoveryRecord } from "./store/recovery_record.ts";

/** What a recovery is judged by. */
export interface RecoveryCircumstances {
  readonly at: UnixMs;
  /** Where the device comes from now, without the port. */
  readonly remoteAddress: string;
  /** From where a session of it stands, without the port; undefined when none does. */
  readonly sessionAddress: string | undefined;
  /** From where its latest session stood, without the port; undefined when that is not known. */
  readonly lastSessionAddress: string | undefined;
  /** What it was given so far. */
  readonly certificates: readonly CertificateRecord[];
  /** Its recoveries so far, oldest first. */
  readonly recoveries: readonly RecoveryRecord[];
}

/**
 * Why a recovery looks as if two machines had the device's key; undefined when it does not (design section 3). One machine
 * recovers only when it has no certificate any more that serves, so it cannot be connected from elsewhere at that moment;
 * and while something that it was given is valid, it does not turn up in one place after the other with nothing. Nor does
 * it lose what it connected with from one place when it comes from another: somebody who has copied a certificate renews
 * it, and it is the device itself that has to recover then.
 */
export function recoveryAlarm(circumstances: RecoveryCircumstances): string | undefined {
  const { at, remoteAddress, sessionAddress, lastSessionAddress, certificates, recoveries } = circumstances;
  const source = sourceOf(remoteAddress);
  const moment = new Date(at).toISOString();
  if (sessionAddress !== undefined && sourceOf(sessionAddress) !== source) {
    return `At ${moment} the device recovered from ${remoteAddress} while it was connected from ${sessionAddress}.`;
  }
  const isValid = ({ revokedAt, expiresAt }: CertificateRecord) => revokedAt === undefined && expiresAt > at;
  const valid = certificates.filter(isValid);
  if (valid.length === 0) return undefined;
  const isUsed = valid.some(({ firstUsedAt }) => firstUsedAt !== undefined);
  if (isUsed && lastSessionAddress !== undefined && sourceOf(lastSessionAddress) !== source) {
    return `At ${moment} the device recovered from ${remoteAddress} although it had a valid certificate, with which it was ` +
      `connected from ${lastSessionAddress} before.`;
  }
  const elsewhere = recoveries.findLast((each) => sourceOf(each.remoteAddress) !== source);
  if (elsewhere === undefined) return undefined;
  return `At ${moment} the device recovered from ${remoteAddress} although it had a valid certificate, and at ${
    new Date(elsewhere.at).toISOString()
  } from ${elsewhere.remoteAddress}.`;
}
