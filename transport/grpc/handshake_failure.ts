import { PalyraError } from "../../identity/palyra_error.ts";

/** What a handshake that failed on the server's side was about; for the log, the peer only sees the end. */
export function handshakeFailure(cause: unknown, { clientCertificates }: { clientCertificates: boolean }): PalyraError {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : "";
  switch (code) {
    case "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE":
      return new PalyraError(
        "certificate_missing",
        "The peer showed no client certificate. It must be paired before it may connect to this port.",
        { cause },
      );
    case "ECONNRESET":
    case "EPIPE":
      if (!clientCertificates) {
        return new PalyraError(
          "connection_lost",
          "The peer hung up during the TLS handshake; it may not trust the daemon's certificate.",
          { cause },
        );
      }
      // Deno reports a certificate that its verifier refused in the same way as a peer that hung up.
      return new PalyraError(
        "certificate_untrusted",
        "The handshake ended early: the peer's certificate is not a valid client certificate of this daemon's CA, " +
          "or the peer hung up because it does not trust the daemon's. Check its clock, and pair it again if needed.",
        { cause },
      );
    default:
      return new PalyraError(
        "protocol_mismatch",
        "The peer did not speak TLS 1.3. Check that it is a Palyra client of this version and means this port.",
        { cause },
      );
  }
}
