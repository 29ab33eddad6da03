import assert from "node:assert/strict";
import { join } from "node:path";
import { inspect } from "node:util";
import {
  CA_VALIDITY_MS,
  CERTIFICATE_BACKDATE_MS,
  CertificateAuthority,
  DEFAULT_CERTIFICATE_VALIDITY_MS,
} from "./certificate_authority.ts";
import { newDeviceId } from "./device_id.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { pemToDer } from "./pem.ts";
import type { ReasonCode } from "./reason_code.ts";
import { TlsKey } from "./tls_key.ts";
import { type Clock, systemClock, unixMs } from "./unix_ms.ts";

const DAY = 24 * 60 * 60 * 1000;
const DEVICE = newDeviceId();

const failsWith = (code: ReasonCode) => (error: unknown): boolean =>
  error instanceof PalyraError && error.code === code;

async function openssl(...args: string[]): Promise<{ code: number; text: string }> {
  const output = await new Deno.Command("openssl", { args, stdout: "piped", stderr: "piped" }).output();
  const decoder = new TextDecoder();
  return { code: output.code, text: decoder.decode(output.stdout) + decoder.decode(output.stderr) };
}

async function withFiles(
  files: Record<string, string>,
  run: (path: (name: string) => string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Promise.all(Object.entries(files).map(([name, text]) => Deno.writeTextFile(join(folder, name), text)));
    await run((name) => join(folder, name));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function issueClient(authority: CertificateAuthority, validityMs = DEFAULT_CERTIFICATE_VALIDITY_MS) {
  const { publicKey } = await TlsKey.generate();
  return await authority.issueClientCertificate({
    deviceId: DEVICE,
    clientKind: "node",
    trustDomain: "palyra.local",
    publicKey,
    validityMs,
  });
}

Deno.test("CertificateAuthority.create() makes a CA that OpenSSL reads as one when asked for its text", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  await withFiles({ "ca.pem": authority.certificatePem }, async (path) => {
    const { text } = await openssl("x509", "-in", path("ca.pem"), "-noout", "-text", "-fingerprint", "-sha256");
    assert.match(text, /Subject: CN ?= ?Palyra Gateway CA\n/);
    assert.match(text, /Issuer: CN ?= ?Palyra Gateway CA\n/);
    assert.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0\n/);
    assert.match(text, /Key Usage: critical\s+Digital Signature, Certificate Sign, CRL Sign\n/);
    assert.match(text, /Subject Key Identifier:/);
    assert.match(text, /ASN1 OID: prime256v1/);
    assert.match(text, /Signature Algorithm: ecdsa-with-SHA256/);
    const fingerprint = /Fingerprint=([0-9A-F:]+)/.exec(text)?.[1]?.replaceAll(":", "").toLowerCase();
    assert.equal(fingerprint, authority.fingerprint);
    const verified = await openssl("verify", "-x509_strict", "-CAfile", path("ca.pem"), path("ca.pem"));
    assert.equal(verified.code, 0, verified.text);
  });
  const years = (authority.expiresAt - systemClock()) / (365.25 * DAY);
  assert.ok(years > 9.98 && years < 10.01, `${years} years`);
});

Deno.test("issueClientCertificate() makes a leaf that OpenSSL verifies for sslclient only", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const issued = await issueClient(authority);
  await withFiles({ "ca.pem": authority.certificatePem, "leaf.pem": issued.certificatePem }, async (path) => {
    const verify = (purpose: string) =>
      openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", path("ca.pem"), path("leaf.pem"));
    const client = await verify("sslclient");
    assert.equal(client.code, 0, client.text);
    assert.notEqual((await verify("sslserver")).code, 0);
    const { text } = await openssl("x509", "-in", path("leaf.pem"), "-noout", "-text", "-serial");
    assert.match(text, new RegExp(`Subject: CN ?= ?Palyra Device ${DEVICE}, O ?= ?Palyra\\n`));
    assert.match(text, /Basic Constraints: critical\s+CA:FALSE\n/);
    assert.match(text, /Key Usage: critical\s+Digital Signature\n/);
    assert.match(text, /Extended Key Usage:\s+TLS Web Client Authentication\n/);
    assert.match(text, new RegExp(`Alternative Name:\\s+URI:spiffe://palyra\\.local/node/${DEVICE}\\n`));
    assert.match(text, /Subject Key Identifier:/);
    assert.match(text, /Authority Key Identifier:/);
    assert.equal(/serial=([0-9A-F]+)/.exec(text)?.[1]?.toLowerCase(), issued.serialHex);
    assert.equal(issued.serialHex.length, 32);
  });
  assert.equal(issued.fingerprint, fingerprintOf(issued.certificateDer));
  assert.equal(issued.fingerprint, fingerprintOf(pemToDer(issued.certificatePem)));
});

Deno.test("issueServerCertificate() makes a leaf that OpenSSL verifies for its names and addresses", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const issued = await authority.issueServerCertificate({
    names: ["Gateway.Example.org", "localhost"],
    addresses: ["192.0.2.7", "2001:db8::7"],
    validityMs: DAY,
  });
  await withFiles({ "ca.pem": authority.certificatePem, "leaf.pem": issued.certificatePem }, async (path) => {
    const verify = (...args: string[]) =>
      openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", path("ca.pem"), ...args, path("leaf.pem"));
    const hosts = ["localhost", "palyrad", "gateway.example.org"].map((name) => verify("-verify_hostname", name));
    const addresses = ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::7"].map((name) => verify("-verify_ip", name));
    for (const result of await Promise.all([...hosts, ...addresses])) assert.equal(result.code, 0, result.text);
    assert.notEqual((await verify("-verify_hostname", "example.org")).code, 0);
    assert.notEqual((await verify("-verify_ip", "192.0.2.8")).code, 0);
    const { text } = await openssl("x509", "-in", path("leaf.pem"), "-noout", "-text");
    assert.match(text, /Subject: CN ?= ?palyrad\n/);
    assert.match(text, /Extended Key Usage:\s+TLS Web Server Authentication\n/);
    assert.match(text, /DNS:localhost, DNS:palyrad, DNS:gateway\.example\.org, IP Address:127\.0\.0\.1/);
  });
  const key = await TlsKey.fromPem(issued.privateKeyPem);
  assert.ok(issued.certificateDer.toHex().includes(key.publicKey.toHex()), "the certificate holds its key");
});

Deno.test("IssuedServerCertificate shows no private key when inspected or serialised", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const issued = await authority.issueServerCertificate({ names: [], addresses: [], validityMs: DAY });
  const body = issued.privateKeyPem.split("\n")[1] ?? "";
  assert.ok(body.length > 40);
  for (const shown of [inspect(issued), Deno.inspect(issued), JSON.stringify(issued), inspect({ authority })]) {
    assert.ok(!shown.includes(body) && !shown.includes("PRIVATE KEY"));
  }
});

Deno.test("issueClientCertificate() counts from the clock in whole seconds and never outlives the CA", async () => {
  let now = unixMs(1_790_000_000_999);
  const clock: Clock = () => now;
  const authority = await CertificateAuthority.create({ clock });
  const first = await issueClient(authority);
  assert.equal(first.issuedAt, now);
  assert.equal(first.expiresAt, 1_790_000_000_000 + DEFAULT_CERTIFICATE_VALIDITY_MS);
  await withFiles({ "leaf.pem": first.certificatePem }, async (path) => {
    const { text } = await openssl("x509", "-in", path("leaf.pem"), "-noout", "-dates", "-dateopt", "iso_8601");
    const [notBefore, notAfter] = [...text.matchAll(/=(.*)\n/g)].map(([, date]) => Date.parse(date ?? ""));
    assert.equal(notBefore, 1_790_000_000_000 - CERTIFICATE_BACKDATE_MS);
    assert.equal(notAfter, first.expiresAt);
  });

  now = unixMs(authority.expiresAt - 60_000);
  assert.equal((await issueClient(authority)).expiresAt, authority.expiresAt);
  now = authority.expiresAt;
  await assert.rejects(issueClient(authority), failsWith("certificate_expired"));
});

Deno.test("CertificateAuthority dates are right when they lie beyond 2050", async () => {
  const now = unixMs(Date.UTC(2049, 11, 31, 23, 59, 59));
  const authority = await CertificateAuthority.create({ clock: () => now });
  const issued = await issueClient(authority);
  await withFiles({ "ca.pem": authority.certificatePem, "leaf.pem": issued.certificatePem }, async (path) => {
    const at = String(Math.floor(now / 1000) + 60);
    const verified = await openssl(
      "verify",
      "-x509_strict",
      "-attime",
      at,
      "-CAfile",
      path("ca.pem"),
      path("leaf.pem"),
    );
    assert.equal(verified.code, 0, verified.text);
    const { text } = await openssl("x509", "-in", path("ca.pem"), "-noout", "-enddate", "-dateopt", "iso_8601");
    assert.match(text, /notAfter=2059-12-31 23:59:59Z/);
  });
});

Deno.test("issueClientCertificate() gives each certificate another serial number", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const issued = await Promise.all(Array.from({ length: 20 }, () => issueClient(authority)));
  assert.equal(new Set(issued.map((certificate) => certificate.serialHex)).size, 20);
});

Deno.test("issueClientCertificate() refuses when key, trust domain or validity is wrong", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const { publicKey } = await TlsKey.generate();
  const good = {
    deviceId: DEVICE,
    clientKind: "node",
    trustDomain: "palyra.local",
    publicKey,
    validityMs: DAY,
  } as const;
  const bad = [
    { ...good, publicKey: publicKey.subarray(1) },
    { ...good, trustDomain: "Not/One" },
    { ...good, validityMs: 0 },
    { ...good, validityMs: -DAY },
    { ...good, validityMs: NaN },
    { ...good, validityMs: CA_VALIDITY_MS + 1 },
  ];
  await Promise.all(
    bad.map((order) => assert.rejects(authority.issueClientCertificate(order), failsWith("invalid_argument"))),
  );
  const names = { names: ["*.example.org"], addresses: [], validityMs: DAY };
  await assert.rejects(authority.issueServerCertificate(names), failsWith("invalid_argument"));
});

Deno.test("CertificateAuthority.fromPem() restores a CA whose leaves chain to the same certificate", async () => {
  const authority = await CertificateAuthority.create({ clock: systemClock });
  const restored = await CertificateAuthority.fromPem({
    certificatePem: authority.certificatePem,
    privateKeyPem: await authority.exportPrivateKeyPem(),
    clock: systemClock,
  });
  assert.equal(restored.fingerprint, authority.fingerprint);
  const issued = await issueClient(restored);
  await withFiles({ "ca.pem": authority.certificatePem, "leaf.pem": issued.certificatePem }, async (path) => {
    const verified = await openssl("verify", "-x509_strict", "-CAfile", path("ca.pem"), path("leaf.pem"));
    assert.equal(verified.code, 0, verified.text);
  });
});

Deno.test("CertificateAuthority.fromPem() refuses with state_damaged when the pair is not a CA's", async () => {
  const clock = systemClock;
  const [one, two] = await Promise.all([
    CertificateAuthority.create({ clock }),
    CertificateAuthority.create({ clock }),
  ]);
  const server = await one.issueServerCertificate({ names: [], addresses: [], validityMs: DAY });
  const privateKeyPem = await one.exportPrivateKeyPem();
  const forged = pemToDer(one.certificatePem);
  forged[forged.length - 1] = (forged[forged.length - 1] ?? 0) ^ 1;
  const bad = [
    { certificatePem: two.certificatePem, privateKeyPem },
    { certificatePem: server.certificatePem, privateKeyPem: server.privateKeyPem },
    { certificatePem: "", privateKeyPem },
    { certificatePem: one.certificatePem.slice(0, 200), privateKeyPem },
    { certificatePem: one.certificatePem, privateKeyPem: "" },
    { certificatePem: `-----BEGIN CERTIFICATE-----\n${forged.toBase64()}\n-----END CERTIFICATE-----\n`, privateKeyPem },
  ];
  await Promise.all(
    bad.map((pair) => assert.rejects(CertificateAuthority.fromPem({ ...pair, clock }), failsWith("state_damaged"))),
  );
});
