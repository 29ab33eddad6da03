import type { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import type { CompletedPairing, NodeHostState } from "../node_host_state.ts";

/** For tests: completes a pairing with the daemon of `ca` in this state; the certificate is as old as the CA's clock says. */
export async function pairState(
  state: NodeHostState,
  ca: CertificateAuthority,
  validityMs: number,
  nodeEndpoints: readonly string[] = ["daemon.example:7444"],
): Promise<CompletedPairing> {
  const { deviceId } = await state.ensureIdentity();
  const tlsKey = await TlsKey.generate();
  const { certificatePem } = await ca.issueClientCertificate({
    deviceId,
    clientKind: "node",
    trustDomain: "palyra.test",
    publicKey: tlsKey.publicKey,
    validityMs,
  });
  const pairing = {
    record: {
      deviceId,
      deviceName: "box",
      nodeEndpoints,
      enrolmentEndpoints: ["daemon.example:7445"],
      caFingerprint: ca.fingerprint,
      pairedAt: systemClock(),
      installedAt: systemClock(),
    },
    tlsKey,
    certificatePem,
    trustedCaPem: ca.certificatePem,
  };
  await state.completePairing(pairing);
  return pairing;
}
