import { parseCertificateFacts, verifyIssuedBy } from "../identity/certificate_facts.ts";
import type { DeviceId } from "../identity/device_id.ts";
import { type Fingerprint, fingerprintOf, sameFingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer } from "../identity/pem.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { isCertificateOfKey } from "./node_credentials.ts";

/** A certificate that a daemon handed over, and what it must fit. */
export interface IssuedToThisDevice {
  readonly certificatePem: string;
  readonly caPem: string;
  /** SHA-256 of the CA that the pairing handshake proved. */
  readonly caFingerprint: Fingerprint;
  readonly deviceId: DeviceId;
  /** The key for which the certificate was asked. */
  readonly tlsKey: TlsKey;
  readonly now: UnixMs;
  /** What the certificate was asked for decides the cure that a refusal names. */
  readonly occasion: Occasion;
}

type Occasion = "pairing" | "renewal";

const CURES: Readonly<Record<Occasion, { readonly unusable: string; readonly clockOff: string }>> = {
  pairing: {
    unusable: "Nothing of it was stored; pair again with a new code.",
    clockOff: "Set the clock right, and run `palyra-node pair` again to finish the pairing.",
  },
  renewal: {
    unusable: "Nothing of it was stored, and the one in use stays. If the daemon was set up anew, pair again with " +
      "`palyra-node pair --force`; else make sure that palyrad and palyra-node are of matching versions.",
    clockOff: "Set the clock right; the renewal is tried again by itself.",
  },
};

/**
 * Checks that a certificate is for this device as a node and for its key, and that the proven CA issued it. Rejects with
 * `daemon_untrusted`, or `clock_off` when it is not valid by this machine's clock.
 */
export async function checkIssuedCertificate(issued: IssuedToThisDevice): Promise<void> {
  const cures = CURES[issued.occasion];
  const unusable = (what: string, cause?: unknown) =>
    new PalyraError(
      "daemon_untrusted",
      `The certificate that the daemon handed over ${what}. ${cures.unusable}`,
      { cause },
    );
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
    `The certificate that the daemon issued is not valid by this machine's clock. ${cures.clockOff}`,
    { cause: refusal },
  );
}
