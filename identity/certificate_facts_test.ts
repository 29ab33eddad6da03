import "reflect-metadata";
import assert from "node:assert/strict";
import * as x509 from "@peculiar/x509";
import fc from "fast-check";
import { CertificateAuthority } from "./certificate_authority.ts";
import { parseCertificateFacts, verifyIssuedBy } from "./certificate_facts.ts";
import { newDeviceId } from "./device_id.ts";
import { PalyraError } from "./palyra_error.ts";
import { certificateChainToPem } from "./pem.ts";
import { TlsKey } from "./tls_key.ts";
import { type Clock, unixMs } from "./unix_ms.ts";

const NOW = unixMs(1_790_000_000_000);
const DAY = 24 * 60 * 60 * 1000;
const MINUTES_5 = 5 * 60 * 1000;
const clock: Clock = () => NOW;
const DEVICE = newDeviceId();

async function issueClient(authority: CertificateAuthority) {
  const { publicKey } = await TlsKey.generate();
  const order = { deviceId: DEVICE, clientKind: "desktop", trustDomain: "home.example", publicKey } as const;
  return await authority.issueClientCertificate({ ...order, validityMs: DAY });
}

Deno.test("parseCertificateFacts() reads who and when when given a client certificate in DER or PEM", async () => {
  const authority = await CertificateAuthority.create({ clock });
  const issued = await issueClient(authority);
  const expected = {
    fingerprint: issued.fingerprint,
    notBefore: NOW - MINUTES_5,
    notAfter: NOW + DAY,
    spiffeUri: `spiffe://home.example/desktop/${DEVICE}`,
    deviceId: DEVICE,
    clientKind: "desktop",
    trustDomain: "home.example",
  };
  assert.deepEqual(parseCertificateFacts(issued.certificateDer), expected);
  const chain = certificateChainToPem([issued.certificateDer, authority.certificateDer]);
  assert.deepEqual(parseCertificateFacts(chain), expected);
});

Deno.test("parseCertificateFacts() names no device when the certificate is a server's", async () => {
  const authority = await CertificateAuthority.create({ clock });
  const server = await authority.issueServerCertificate({ names: [], addresses: [], validityMs: DAY });
  const facts = parseCertificateFacts(server.certificatePem);
  assert.deepEqual(Object.keys(facts), ["fingerprint", "notBefore", "notAfter"]);
});

Deno.test("parseCertificateFacts() throws certificate_untrusted when given anything else", () => {
  const untrusted = (error: unknown) => error instanceof PalyraError && error.code === "certificate_untrusted";
  assert.throws(() => parseCertificateFacts("no PEM"), untrusted);
  assert.throws(() => parseCertificateFacts(new Uint8Array(20_000)), untrusted);
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
    assert.throws(() => parseCertificateFacts(bytes), untrusted);
  }));
});

Deno.test("parseCertificateFacts() throws nothing but certificate_untrusted when bytes of a certificate are changed", async () => {
  const { certificateDer } = await issueClient(await CertificateAuthority.create({ clock }));
  fc.assert(fc.property(fc.nat(certificateDer.length - 1), fc.integer({ min: 1, max: 255 }), (position, mask) => {
    const changed = certificateDer.slice();
    changed[position] = (changed[position] ?? 0) ^ mask;
    try {
      parseCertificateFacts(changed);
    } catch (error) {
      assert.ok(error instanceof PalyraError);
      assert.equal(error.code, "certificate_untrusted");
    }
  }));
});

Deno.test("verifyIssuedBy() accepts from notBefore to notAfter and names the reason outside", async () => {
  const authority = await CertificateAuthority.create({ clock });
  const { certificateDer } = await issueClient(authority);
  const judge = async (at: number) =>
    (await verifyIssuedBy(certificateDer, authority.certificateDer, unixMs(at)))?.code;
  assert.equal(await judge(NOW), undefined);
  assert.equal(await judge(NOW - MINUTES_5), undefined);
  assert.equal(await judge(NOW + DAY), undefined);
  assert.equal(await judge(NOW - MINUTES_5 - 1), "certificate_not_yet_valid");
  assert.equal(await judge(NOW + DAY + 1), "certificate_expired");
});

Deno.test("verifyIssuedBy() says certificate_untrusted when the CA has the right key but another name", async () => {
  const authority = await CertificateAuthority.create({ clock });
  const { certificateDer } = await issueClient(authority);
  const { keys } = await TlsKey.fromPem(await authority.exportPrivateKeyPem());
  const isAuthority = true;
  const renamed = await x509.X509CertificateGenerator.createSelfSigned({
    name: [{ CN: ["Another name"] }],
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    notBefore: new Date(NOW - DAY),
    notAfter: new Date(NOW + DAY),
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign),
    ],
  });
  const judged = await verifyIssuedBy(certificateDer, new Uint8Array(renamed.rawData), NOW);
  assert.equal(judged?.code, "certificate_untrusted");
});

Deno.test("verifyIssuedBy() says certificate_untrusted when issuer, signature, purpose or role is wrong", async () => {
  const authority = await CertificateAuthority.create({ clock });
  const namesake = await CertificateAuthority.create({ clock });
  const stranger = await CertificateAuthority.create({ clock, commonName: "Another CA" });
  const { certificateDer } = await issueClient(authority);
  const server = await authority.issueServerCertificate({ names: [], addresses: [], validityMs: DAY });
  const ca = authority.certificateDer;
  const judge = async (leaf: Uint8Array, issuer: Uint8Array, purpose?: "client" | "server") =>
    (await verifyIssuedBy(leaf, issuer, NOW, purpose))?.code;

  assert.equal(await judge(certificateDer, namesake.certificateDer), "certificate_untrusted");
  assert.equal(await judge(certificateDer, stranger.certificateDer), "certificate_untrusted");
  assert.equal(await judge(certificateDer, server.certificateDer), "certificate_untrusted");
  assert.equal(await judge(ca, ca), "certificate_untrusted");
  assert.equal(await judge(new Uint8Array(3), ca), "certificate_untrusted");
  assert.equal(await judge(certificateDer, new Uint8Array(3)), "certificate_untrusted");
  assert.equal(await judge(certificateDer, ca, "client"), undefined);
  assert.equal(await judge(certificateDer, ca, "server"), "certificate_untrusted");
  assert.equal(await judge(server.certificateDer, ca, "server"), undefined);
  assert.equal(await judge(server.certificateDer, ca, "client"), "certificate_untrusted");
  const changed = certificateDer.slice();
  changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
  assert.equal(await judge(changed, ca), "certificate_untrusted");
});
