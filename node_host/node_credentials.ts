import { X509Certificate } from "node:crypto";
import { type CertificateFacts, parseCertificateFacts } from "../identity/certificate_facts.ts";
import type { DeviceIdentity } from "../identity/device_identity.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { sameBytes } from "../identity/same_bytes.ts";
import type { TlsKey } from "../identity/tls_key.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import type { ClientTlsMaterial } from "../transport/client_tls_material.ts";
import { renewalDueAt } from "./renewal_schedule.ts";

/** What a paired node shows to its daemon, and holds it to. Prints without its private keys. */
export class NodeCredentials {
  readonly identity: DeviceIdentity;
  /** The client certificate, PEM. */
  readonly certificatePem: string;
  /** The daemon's CA, or several while it changes, PEM. */
  readonly trustedCaPem: string;
  /** The certificate's `notAfter`. */
  readonly expiresAt: UnixMs;
  /** When the certificate is to be renewed. */
  readonly renewsAt: UnixMs;
  readonly #facts: CertificateFacts;
  readonly #tlsKeyPem: string;

  private constructor(
    identity: DeviceIdentity,
    certificatePem: string,
    trustedCaPem: string,
    facts: CertificateFacts,
    tlsKeyPem: string,
  ) {
    this.identity = identity;
    this.certificatePem = certificatePem;
    this.trustedCaPem = trustedCaPem;
    this.expiresAt = facts.notAfter;
    this.renewsAt = renewalDueAt(facts);
    this.#facts = facts;
    this.#tlsKeyPem = tlsKeyPem;
  }

  /** Puts them together. Rejects with `state_damaged` when the certificate is not for this device and this key. */
  static async of(parts: {
    readonly identity: DeviceIdentity;
    readonly tlsKey: TlsKey;
    readonly certificatePem: string;
    readonly trustedCaPem: string;
  }): Promise<NodeCredentials> {
    const { identity, tlsKey, certificatePem, trustedCaPem } = parts;
    const facts = ownFacts(certificatePem, identity, tlsKey);
    return new NodeCredentials(identity, certificatePem, trustedCaPem, facts, await tlsKey.toPem());
  }

  /** The same, with other CAs to trust. */
  trusting(trustedCaPem: string): NodeCredentials {
    return new NodeCredentials(this.identity, this.certificatePem, trustedCaPem, this.#facts, this.#tlsKeyPem);
  }

  /** The private key of the certificate, PKCS#8 PEM. */
  get tlsKeyPem(): string {
    return this.#tlsKeyPem;
  }

  /** What a connection to the daemon shows, and believes. */
  tlsMaterial(): ClientTlsMaterial {
    return { caPem: [this.trustedCaPem], certificatePem: this.certificatePem, keyPem: this.#tlsKeyPem };
  }
}

function ownFacts(certificatePem: string, identity: DeviceIdentity, tlsKey: TlsKey): CertificateFacts {
  let cause: unknown;
  try {
    const facts = parseCertificateFacts(certificatePem);
    if (facts.deviceId === identity.deviceId && isCertificateOfKey(certificatePem, tlsKey)) return facts;
  } catch (thrown) {
    cause = thrown;
  }
  throw new PalyraError(
    "state_damaged",
    "The stored certificate does not belong to the stored keys; pair this machine again with `palyra-node pair --force`.",
    { cause },
  );
}

/** Whether a certificate certifies this key. */
export function isCertificateOfKey(certificatePem: string, tlsKey: TlsKey): boolean {
  const certified = new X509Certificate(certificatePem).publicKey.export({ type: "spki", format: "der" });
  return sameBytes(new Uint8Array(certified), tlsKey.publicKey);
}
