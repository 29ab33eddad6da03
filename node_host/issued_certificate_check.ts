import { parseCertificateFacts, verifyIssuedBy } from "../identity/certificate_facts.ts";
import type { DeviceId } from "../identity/device_id.ts";
import { type Fingerprint, fingerprintOf, sameFingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer } from "../identity/pem.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { isCertificateOfKey } from "./node_credentials.ts";

/** What a daemon handed over at the end of a pairing, and what it must fit. */
export interface IssuedPairing {
  readonly certificatePem: string;
  readonly caPem: string;
  /** SHA-256 of the CA that the handshake proved. */
  readonly caFingerprint: Fingerprint;
  readonly deviceId: DeviceId;
  /** The key for which the certificate was asked. */
  readonly tlsKey: TlsKey;
  readonly now: UnixMs;
}

/**
 * Checks that a certificate is for this device as a node and for its key, and that the proven CA issued it. Rejects with
 * `daemon_untrusted`, or `clock_off` when it is not valid by this machine's clock.
 */
export async function checkIssuedCertificate(issued: IssuedPairing): Promise<void> {
  let refusal: PalyraError | undefined;
  try {
    const certificateDer = pemToDer(issued.certificatePem);
    const caDer = pemToDer(issued.caPem);
    if (!sameFingerprint(fingerprintOf(caDer), issued.caFingerprint)) throw unusable("comes with another CA");
    const facts = parseCertificateFacts(certificateDer);
    if (facts.deviceId !== issued.deviceId || facts.clientKind !== "node") throw unusable("is not for this device");
    if (!isCertificateOfKey(issued.certificatePem, issued.tlsKey)) throw unusable("is not for this machine's key");
    refusal = await verifyIssuedBy(certificateDer, caDer, issued.now, "client");
  } catch (thrown) {
    if (thrown instanceof PalyraError && thrown.code === "daemon_untrusted") throw thrown;
    throw unusable("cannot be read", thrown);
  }
  if (refusal === undefined) return;
  if (refusal.code === "certificate_untrusted") throw unusable("was not issued by the daemon's CA", refusal);
  throw new PalyraError(
    "clock_off",
    "The certificate that the daemon issued is not valid by this machine's clock. Set the clock right, and run " +
      "`palyra-node pair` again to finish the pairing.",
    { cause: refusal },
  );
}

function unusable(what: string, cause?: unknown): PalyraError {
  return new PalyraError(
    "daemon_untrusted",
    `The certificate that the daemon handed over ${what}. Nothing of it was stored; pair again with a new code.`,
    { cause },
  );
}
