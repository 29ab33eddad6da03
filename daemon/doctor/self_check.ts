import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { systemClock } from "../../identity/unix_ms.ts";
import { GrpcListener } from "../../transport/grpc/grpc_listener.ts";
import type { Check } from "../../transport/program/doctor/check.ts";
import { type Finding, ok } from "../../transport/program/doctor/finding.ts";

/** How long the throw-away certificate lives, in milliseconds. */
const VALIDITY_MS = 60_000;

/**
 * Whether a mutual TLS port of this runtime lets nobody in without a certificate: opens one on loopback, with a CA that is
 * made for it and thrown away. It proves that on itself, as the daemon's own port does at each start.
 */
export function selfCheck(): Check {
  return { name: "self_check", examine };
}

async function examine(): Promise<Finding> {
  const ca = await CertificateAuthority.create({ clock: systemClock });
  const certificate = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: VALIDITY_MS });
  const listener = await GrpcListener.start({
    hostname: "127.0.0.1",
    port: 0,
    mode: { kind: "mutual", authorize: () => undefined },
    tls: {
      certificatePem: certificate.certificatePem + ca.certificatePem,
      keyPem: certificate.privateKeyPem,
      clientCaPem: [ca.certificatePem],
    },
    services: () => {},
    onRefused: () => {},
  });
  await listener.close({ graceMs: 0 });
  return ok("A mutual TLS port of this Deno refuses whoever shows no certificate.");
}
