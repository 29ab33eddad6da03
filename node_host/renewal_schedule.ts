import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import type { CertificateFacts } from "../identity/certificate_facts.ts";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";

/** The wall clock is looked at this often, so that a machine that was suspended renews soon after it wakes: one minute. */
export const RENEWAL_CHECK_INTERVAL_MS = 60_000;

/** A session whose certificate is over in less than this is opened again with the renewed one: one minute. */
export const RECONNECT_BEFORE_EXPIRY_MS = 60_000;

/** The longest wait after a renewal that failed: five minutes. */
export const MAX_RENEWAL_RETRY_MS = 300_000;

const RENEWED_AFTER = 2 / 3;
const MAX_JITTER = 0.05;

/**
 * When a certificate is to be renewed: at 2/3 of its life, or up to 5 % of that life earlier (design section 3). The
 * life counts from the issue and not from the backdated `notBefore`, or short-lived certificates would be due at once.
 * The jitter comes from the fingerprint: it differs between devices, and every process sees the same.
 */
export function renewalDueAt(facts: Pick<CertificateFacts, "fingerprint" | "notBefore" | "notAfter">): UnixMs {
  const issuedAt = Math.min(facts.notBefore + CERTIFICATE_BACKDATE_MS, facts.notAfter);
  const jitter = MAX_JITTER * Number.parseInt(facts.fingerprint.slice(0, 8), 16) / 2 ** 32;
  return unixMs(Math.floor(issuedAt + (facts.notAfter - issuedAt) * (RENEWED_AFTER - jitter)));
}

/** What decides about the next step. */
export interface RenewalCircumstances {
  readonly now: UnixMs;
  /** A session stands, so the daemon can be asked. */
  readonly connected: boolean;
  /** Of the newest certificate: when it is to be renewed ({@linkcode renewalDueAt}), and its `notAfter`. */
  readonly renewsAt: UnixMs;
  readonly expiresAt: UnixMs;
  /** When this process got that certificate; undefined when it had it from the start. */
  readonly obtainedAt: UnixMs | undefined;
  /** `notAfter` of an earlier certificate with which the session was opened; undefined when it is the newest one. */
  readonly sessionExpiresAt: UnixMs | undefined;
  /** When to try again after a failure. */
  readonly retryAt: UnixMs | undefined;
  /** The daemon asked for a renewal that has not succeeded yet. */
  readonly asked?: boolean;
  /** The session is to be opened again with the newest certificate at once: the daemon waits for its first use. */
  readonly replaceSession?: boolean;
}

/**
 * What to do now. `reconnect` has the session opened again with the newest certificate; `wait` says for how long at
 * most, in milliseconds.
 */
export type RenewalStep = { readonly kind: "renew" | "reconnect" } | { readonly kind: "wait"; readonly ms: number };

/** Decides about the next step. */
export function nextRenewalStep(circumstances: RenewalCircumstances): RenewalStep {
  const { now, connected, expiresAt, sessionExpiresAt } = circumstances;
  const dueAt = dueMoment(circumstances);
  const retryAt = heldBackUntil(circumstances);
  const reconnectAt = sessionExpiresAt === undefined ? undefined : sessionExpiresAt - RECONNECT_BEFORE_EXPIRY_MS;
  if (connected && now <= expiresAt) {
    const replace = sessionExpiresAt !== undefined && circumstances.replaceSession === true;
    if (replace || reconnectAt !== undefined && now > reconnectAt) return { kind: "reconnect" };
    if ((now >= dueAt || circumstances.asked === true) && retryAt === undefined) return { kind: "renew" };
  }
  const moments = [dueAt, retryAt, reconnectAt === undefined ? undefined : reconnectAt + 1];
  const waits = moments.flatMap((moment) => moment !== undefined && moment > now ? [moment - now] : []);
  return { kind: "wait", ms: Math.min(RENEWAL_CHECK_INTERVAL_MS, ...waits) };
}

/** A clock that is far ahead has every new certificate due at once; half of what is left of it passes all the same. */
function dueMoment({ renewsAt, expiresAt, obtainedAt }: RenewalCircumstances): number {
  if (obtainedAt === undefined) return renewsAt;
  return Math.max(renewsAt, obtainedAt + Math.floor((expiresAt - obtainedAt) / 2));
}

/** A moment further off than any wait was set by a clock that has been put back since; it holds nothing back. */
function heldBackUntil({ now, retryAt }: RenewalCircumstances): UnixMs | undefined {
  return retryAt !== undefined && retryAt > now && retryAt - now <= MAX_RENEWAL_RETRY_MS ? retryAt : undefined;
}
