import { CERTIFICATE_BACKDATE_MS } from "../identity/certificate_authority.ts";
import type { UnixMs } from "../identity/unix_ms.ts";

/** The part of its life at whose beginning a certificate of the daemon's own is renewed: the last third. */
const RENEWAL_PART = 1 / 3;

/** From when to when a certificate is good. */
export interface CertificateLife {
  /** When it was made; it is valid from {@linkcode CERTIFICATE_BACKDATE_MS} before. */
  readonly issuedAt: UnixMs;
  readonly expiresAt: UnixMs;
}

/**
 * Whether a certificate should be renewed: at most a third of its life is left, or the clock was set back to before it
 * is valid. Goes by the certificate and the clock alone, whatever timers did meanwhile.
 */
export function renewalIsDue({ issuedAt, expiresAt }: CertificateLife, now: UnixMs): boolean {
  const leftMs = expiresAt - now;
  return leftMs <= (expiresAt - issuedAt) * RENEWAL_PART || now < issuedAt - CERTIFICATE_BACKDATE_MS;
}
