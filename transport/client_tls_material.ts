import { createPrivateKey, X509Certificate } from "node:crypto";
import { PalyraError } from "../identity/palyra_error.ts";

/** The DNS name that every server certificate of a daemon has, whatever address it is reached at. */
export const DAEMON_SERVER_NAME = "palyrad";

/** What a device shows and whom it believes. */
export interface ClientTlsMaterial {
  /** The CAs that a daemon's certificate may come from; several while the daemon changes its CA. */
  readonly caPem: readonly string[];
  /** The device's certificate. */
  readonly certificatePem: string;
  readonly keyPem: string;
}

/**
 * Throws `state_damaged` when certificate and key do not go together: TLS takes any text for them and fails at the
 * handshake, where nobody can tell why.
 */
export function assertKeyBelongs({ certificatePem, keyPem }: ClientTlsMaterial): void {
  let belongs = false;
  let cause: unknown;
  try {
    belongs = new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    cause = error;
  }
  if (belongs) return;
  throw new PalyraError(
    "state_damaged",
    "This machine's certificate and key cannot be read, or do not belong together. Pair it again: `palyra-node pair`.",
    { cause },
  );
}
