/** A server's certificate and whom it accepts. */
export interface ServerTlsMaterial {
  /** The leaf first, then the CA that issued it: a device that pairs by PIN reads both from the handshake. */
  readonly certificatePem: string;
  readonly keyPem: string;
  /** The CAs whose client certificates are accepted. Not used in `server-only` mode. */
  readonly clientCaPem: readonly string[];
}
