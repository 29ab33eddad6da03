/** The folder of the secrets within the state folder. */
export const SECRETS_FOLDER = "secrets";

/** The names of the secrets. */
export const SECRET_NAMES = {
  deviceIdentity: "device-identity.json",
  tlsKey: "tls-key.pem",
  clientCertificate: "client-certificate.pem",
  trustedCa: "trusted-ca.pem",
  pendingPairing: "pending-pairing.json",
  pendingTlsKey: "pending-tls-key.pem",
  /** The key of a recovery under way, until its certificate is there. */
  recoveryTlsKey: "recovery-tls-key.pem",
  /** Key and certificate in one file, there only while they replace the two above. */
  nextKeyPair: "next-key-pair.pem",
} as const;
