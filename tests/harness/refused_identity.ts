import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { join } from "node:path";
import { CertificateAuthority } from "../../identity/certificate_authority.ts";
import { deviceCommonName, spiffeUri } from "../../identity/certificate_names.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { systemClock, type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import type { Fleet } from "./fleet.ts";
import { forge, stolenCa, type TestIdentity } from "./paired_device.ts";

/** Certificates that no listener may take for that of a paired device, though most name one. */
export interface RefusedIdentities {
  readonly [what: string]: TestIdentity;
}

/** The one of these that BoringSSL does not even load. */
export const UNSIGNING = "a certificate whose key may not sign";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const at = (offsetMs: number) => (): UnixMs => unixMs(systemClock() + offsetMs);

/** One of each, as somebody would show it who wants to be the device of `paired`. */
export async function refusedIdentities(fleet: Fleet, paired: TestIdentity): Promise<RefusedIdentities> {
  const { deviceId, caPem } = paired;
  const [ca, earlier, later, namesake] = await Promise.all([
    stolenCa(fleet),
    stolenCa(fleet, at(-2 * HOUR_MS)),
    stolenCa(fleet, at(DAY_MS)),
    CertificateAuthority.create({ clock: systemClock }),
  ]);
  const server = await ca.issueServerCertificate({ names: [], addresses: [], validityMs: HOUR_MS });
  const [caCertificate, caKey] = await Promise.all(["ca-certificate.pem", "ca-key.pem"].map((file) => {
    return Deno.readTextFile(join(fleet.daemonRoot, "palyrad", "secrets", file));
  }));
  return {
    "a certificate with the same names, of a CA with the same name": await forge(namesake, caPem, { deviceId }),
    "a certificate with the same names, of its own CA, which it never issued": await forge(ca, caPem, { deviceId }),
    "a certificate that has expired": await forge(earlier, caPem, { deviceId, validityMs: HOUR_MS }),
    "a certificate that is not valid yet": await forge(later, caPem, { deviceId }),
    "a server's certificate": {
      ...paired,
      certificatePem: server.certificatePem,
      keyPem: server.privateKeyPem,
    },
    [UNSIGNING]: await encipheringOnly(paired, caCertificate ?? "", caKey ?? ""),
    "the certificate of the CA itself": { ...paired, certificatePem: caCertificate ?? "", keyPem: caKey ?? "" },
    "an operator's certificate of its own CA, which it never issued": await forge(ca, caPem, {
      deviceId,
      clientKind: "cli",
    }),
  };
}

/** Everything is right with it but the key usage, which a TLS client has no use for. */
async function encipheringOnly(paired: TestIdentity, caPem: string, caKeyPem: string): Promise<TestIdentity> {
  const [key, caKey] = [await TlsKey.generate(), await TlsKey.fromPem(caKeyPem)];
  const issuer = new x509.X509Certificate(caPem);
  const name = { trustDomain: "palyra", clientKind: "node", deviceId: paired.deviceId } as const;
  const critical = true;
  const authority = false;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: "0123456789abcdef",
    subject: [{ CN: [deviceCommonName(paired.deviceId)] }],
    issuer: issuer.subjectName,
    publicKey: new x509.PublicKey(new Uint8Array(key.publicKey)),
    signingKey: caKey.keys.privateKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    notBefore: new Date(Date.now() - HOUR_MS),
    notAfter: new Date(Date.now() + HOUR_MS),
    extensions: [
      new x509.BasicConstraintsExtension(authority, undefined, critical),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyEncipherment, critical),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth], !critical),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: spiffeUri(name) }], !critical),
    ],
  });
  return { ...paired, certificatePem: certificate.toString("pem"), keyPem: await key.toPem() };
}
