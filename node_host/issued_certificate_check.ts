import { parseCertificateFacts, verifyIssuedBy } from "../identity/certificate_facts.ts";
import type { DeviceId } from "../identity/device_id.ts";
import { type Fingerprint, fingerprintOf, sameFingerprint } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { pemToDer, pemToDers } from "../identity/pem.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { isCertificateOfKey } from "./node_credentials.ts";

/** A certificate that a daemon handed over, and what it must fit. */
export interface IssuedToThisDevice {
  readonly certificatePem: string;
  /** The daemon's CAs: one of them has issued it. */
  readonly caPem: string;
  /** SHA-256 of the CA that the pairing handshake proved, which must be among them; undefined where all are trusted. */
  readonly caFingerprint: Fingerprint | undefined;
  readonly deviceId: DeviceId;
  /** The key for which the certificate was asked. */
  readonly tlsKey: TlsKey;
  readonly now: UnixMs;
  /** What the certificate was asked for decides the cure that a refusal names. */
  readonly occasion: Occasion;
}

type Occasion = "pairing" | "renewal" | "recovery";

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
  recovery: {
    unusable:
      "Nothing of it was stored. Make sure that palyrad and palyra-node are of matching versions, or pair again " +
      "with `palyra-node pair --force`.",
    clockOff: "Set the clock right, for example by `timedatectl set-ntp true`; the recovery is tried again by itself.",
  },
};

/**
 * Checks that a certificate is for this device as a node and for its key, and that one of the daemon's CAs issued it.
 * Rejects with `daemon_untrusted`, or `clock_off` when it is not valid by this machine's clock.
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
    const authorities = pemToDers(issued.caPem);
    const { caFingerprint } = issued;
    if (caFingerprint !== undefined && !authorities.some((der) => sameFingerprint(fingerprintOf(der), caFingerprint))) {
      throw unusable("comes with another CA");
    }
    const facts = parseCertificateFacts(certificateDer);
    if (facts.deviceId !== issued.deviceId || facts.clientKind !== "node") throw unusable("is not for this device");
    if (!isCertificateOfKey(issued.certificatePem, issued.tlsKey)) throw unusable("is not for this machine's key");
    refusal = await verifyIssuedByOneOf(certificateDer, authorities, issued.now);
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

/** Undefined when one of the CAs issued it; else what is wrong with it, by the one that comes nearest. */
async function verifyIssuedByOneOf(
  certificateDer: Uint8Array,
  authorities: readonly Uint8Array[],
  now: UnixMs,
): Promise<PalyraError | undefined> {
  const refusals = await Promise.all(authorities.map((der) => verifyIssuedBy(certificateDer, der, now, "client")));
  if (refusals.includes(undefined)) return undefined;
  return refusals.find((refusal) => refusal?.code !== "certificate_untrusted") ?? refusals[0];
}
