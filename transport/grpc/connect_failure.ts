import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";

interface Meaning {
  readonly pattern: RegExp;
  readonly code: ReasonCode;
  readonly message: string;
}

/** First match decides. The texts are those of grpc-js, of Deno's TLS and of the system. */
const MEANINGS: readonly Meaning[] = [
  {
    pattern: /CertificateRequired|certificate required/i,
    code: "certificate_missing",
    message: "The daemon asks for a client certificate and none was shown. Pair this machine: `palyra-node pair`.",
  },
  {
    pattern: /CERT_HAS_EXPIRED|CERT_NOT_YET_VALID|certificate has expired|certificate is not yet valid/i,
    code: "daemon_untrusted",
    message: "The daemon's certificate is not valid at this time. Check the clocks of both machines; " +
      "if they are right, restart the daemon so that it renews its certificate.",
  },
  {
    pattern:
      /unable to verify|unable to get (local )?issuer|self.signed|ALTNAME|altnames|CERT_|bad signature|UnknownIssuer|invalid peer certificate/i,
    code: "daemon_untrusted",
    message: "What answers at this address is not the daemon this machine was paired with: its certificate was not " +
      "issued by the pinned CA. Check the address; if the daemon was set up anew, pair again.",
  },
  {
    pattern: /InvalidContentType|wrong version number|corrupt message|packet length too long/i,
    code: "daemon_unreachable",
    message: "Something answers at this address, but it does not speak TLS. Check the host and the port.",
  },
  {
    pattern: /Name resolution failed|ENOTFOUND|EAI_AGAIN|failed to lookup address/i,
    code: "daemon_unreachable",
    message: "The daemon's host name does not resolve to an address. Check the name and this machine's DNS.",
  },
  {
    pattern: /ECONNREFUSED|connection refused/i,
    code: "daemon_unreachable",
    message: "Nothing listens at the daemon's address. Check that `palyrad run` is running there, and the port.",
  },
  {
    pattern: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|timed out|unreachable/i,
    code: "daemon_unreachable",
    message: "The daemon's address does not answer. Check the network, the address and the firewalls between.",
  },
  {
    pattern: /EPERM|EACCES|NotCapable|Requires net access/i,
    code: "permission_missing",
    message: "Deno was not allowed to connect to the daemon. Start it with `--allow-net=` and the daemon's address.",
  },
  {
    pattern: /before secure TLS connection/i,
    code: "daemon_unreachable",
    message: "The connection was closed before TLS was up. The daemon may be at its connection limit or stopping; " +
      "check that the port is the daemon's.",
  },
  {
    pattern: /^Connection dropped|Stream refused by server|Channel has been shut down/i,
    code: "connection_lost",
    message: "The connection to the daemon was lost during the call. Try again.",
  },
  {
    // With TLS 1.3 a client is done before the server has judged its certificate: a refusal looks like this.
    pattern: /Failed to connect|EPIPE|socket hang up|ECONNRESET|Socket closed|Connection closed before/i,
    code: "certificate_untrusted",
    message: "The daemon closed the connection right after the TLS handshake, which is how it refuses a certificate: " +
      "this machine's is expired, revoked or of another daemon. Check `status`, and pair again if needed.",
  },
];

/**
 * Why a connection could not be made, from the text that grpc-js or node:tls gives.
 *
 * Knows `certificate_missing`, `certificate_untrusted`, `daemon_untrusted`, `daemon_unreachable`,
 * `permission_missing` and `connection_lost`; `daemon_unreachable` for everything else.
 */
export function connectFailure(details: string, cause: unknown): PalyraError {
  const meaning = MEANINGS.find(({ pattern }) => pattern.test(details));
  if (meaning !== undefined) return new PalyraError(meaning.code, meaning.message, { cause });
  return new PalyraError(
    "daemon_unreachable",
    "The daemon could not be reached. Check that it runs and that the address is right; the log has the cause.",
    { cause },
  );
}
