import "reflect-metadata";
import assert from "node:assert/strict";
import * as x509 from "@peculiar/x509";
import fc from "fast-check";
import { deviceCommonName } from "./certificate_names.ts";
import { createCertificateRequest, parseCertificateRequest } from "./certificate_request.ts";
import { newDeviceId } from "./device_id.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { derToPem } from "./pem.ts";
import { TlsKey } from "./tls_key.ts";

const DEVICE = newDeviceId();
const NAME: x509.JsonName = [{ CN: [deviceCommonName(DEVICE)] }];

function refused(about: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "invalid_certificate_request");
    assert.match(error.message, about);
    return true;
  };
}

async function openssl(args: string[], input: string): Promise<{ code: number; text: string }> {
  const child = new Deno.Command("openssl", { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const output = await child.output();
  const decoder = new TextDecoder();
  return { code: output.code, text: decoder.decode(output.stdout) + decoder.decode(output.stderr) };
}

Deno.test("createCertificateRequest() makes a request that OpenSSL accepts when asked to verify it", async () => {
  const der = await createCertificateRequest({ deviceId: DEVICE, tlsKey: await TlsKey.generate() });
  const pem = derToPem(der, "CERTIFICATE").replaceAll("CERTIFICATE", "CERTIFICATE REQUEST");
  const seen = await openssl(["req", "-verify", "-noout", "-text", "-subject"], pem);
  assert.equal(seen.code, 0, seen.text);
  assert.match(seen.text, /verify OK/);
  assert.match(seen.text, new RegExp(`subject=CN ?= ?Palyra Device ${DEVICE}\\n`));
  assert.match(seen.text, /ASN1 OID: prime256v1/);
});

Deno.test("parseCertificateRequest() gives key and hash when the request is the device's", async () => {
  const tlsKey = await TlsKey.generate();
  const der = await createCertificateRequest({ deviceId: DEVICE, tlsKey });
  const parsed = parseCertificateRequest(der, DEVICE);
  assert.equal(parsed.publicKey.toHex(), tlsKey.publicKey.toHex());
  assert.equal(parsed.hash.toHex(), fingerprintOf(der) as string);
  assert.equal(parsed.der.toHex(), der.toHex());
});

Deno.test("parseCertificateRequest() accepts when OpenSSL made the request", async () => {
  const tlsKey = await TlsKey.generate();
  const keyFile = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(keyFile, await tlsKey.toPem());
    const subject = `/CN=${deviceCommonName(DEVICE)}`;
    const made = await openssl(["req", "-new", "-key", keyFile, "-subj", subject, "-outform", "PEM"], "");
    assert.equal(made.code, 0, made.text);
    const base64 = made.text.replaceAll(/-----[^-]+-----/g, "");
    const parsed = parseCertificateRequest(Uint8Array.fromBase64(base64), DEVICE);
    assert.equal(parsed.publicKey.toHex(), tlsKey.publicKey.toHex());
  } finally {
    await Deno.remove(keyFile);
  }
});

Deno.test("parseCertificateRequest() refuses when the subject is not exactly the device's name", async () => {
  const { keys } = await TlsKey.generate();
  const signingAlgorithm = { name: "ECDSA", hash: "SHA-256" };
  const own = deviceCommonName(DEVICE);
  const names: x509.JsonName[] = [
    [],
    [{ CN: [deviceCommonName(newDeviceId())] }],
    [{ CN: [own] }, { O: ["Palyra"] }],
    [{ CN: [own], O: ["Palyra"] }],
    [{ CN: [own] }, { CN: [own] }],
    [{ CN: [own, "x"] }],
    [{ CN: [`${own} `] }],
    [{ O: [own] }],
  ];
  const requests = await Promise.all(names.map((name) => {
    return x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm });
  }));
  for (const request of requests) {
    assert.throws(
      () => parseCertificateRequest(new Uint8Array(request.rawData), DEVICE),
      refused(/exactly this device/),
    );
  }
});

Deno.test("parseCertificateRequest() refuses when an extension or attribute is requested", async () => {
  const { keys } = await TlsKey.generate();
  const common = { name: NAME, keys, signingAlgorithm: { name: "ECDSA", hash: "SHA-256" } };
  const critical = true;
  const requests = [
    await x509.Pkcs10CertificateRequestGenerator.create({
      ...common,
      extensions: [new x509.BasicConstraintsExtension(critical, 0, critical)],
    }),
    await x509.Pkcs10CertificateRequestGenerator.create({
      ...common,
      attributes: [new x509.ChallengePasswordAttribute("a secret")],
    }),
  ];
  for (const request of requests) {
    assert.throws(() => parseCertificateRequest(new Uint8Array(request.rawData), DEVICE), refused(/extensions/));
  }
});

Deno.test("parseCertificateRequest() refuses when the key or the signature algorithm is another", async () => {
  const make = async (generate: EcKeyGenParams | Algorithm, hash: string): Promise<Uint8Array> => {
    const extractable = true;
    const keys = await crypto.subtle.generateKey(generate, extractable, ["sign", "verify"]) as CryptoKeyPair;
    const signingAlgorithm = { name: generate.name, hash };
    const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: NAME, keys, signingAlgorithm });
    return new Uint8Array(request.rawData);
  };
  const p384 = await make({ name: "ECDSA", namedCurve: "P-384" }, "SHA-256");
  assert.throws(() => parseCertificateRequest(p384, DEVICE), refused(/P-256/));
  const ed25519 = await make({ name: "Ed25519" }, "SHA-256");
  assert.throws(() => parseCertificateRequest(ed25519, DEVICE), refused(/P-256/));
  const sha384 = await make({ name: "ECDSA", namedCurve: "P-256" }, "SHA-384");
  assert.throws(() => parseCertificateRequest(sha384, DEVICE), refused(/SHA-256/));
});

Deno.test("parseCertificateRequest() refuses when the request is too long, cut, or has bytes after it", async () => {
  const der = await createCertificateRequest({ deviceId: DEVICE, tlsKey: await TlsKey.generate() });
  const padded = new Uint8Array(der.length + 1);
  padded.set(der);
  assert.throws(() => parseCertificateRequest(padded, DEVICE), refused(/strict DER|not a PKCS#10/));
  assert.throws(() => parseCertificateRequest(der.subarray(1), DEVICE), refused(/strict DER|not a PKCS#10/));
  assert.throws(() => parseCertificateRequest(der.subarray(0, 40), DEVICE), refused(/strict DER|not a PKCS#10/));
  assert.throws(() => parseCertificateRequest(new Uint8Array(4097), DEVICE), refused(/4 KiB/));
  assert.throws(() => parseCertificateRequest(new Uint8Array(0), DEVICE), refused(/strict DER|not a PKCS#10/));
  // A fourth member inside the outer sequence.
  const inner = new Uint8Array(der.length + 2);
  inner.set(der);
  inner.set([0x05, 0x00], der.length);
  const memberBytes = (der[2] ?? 0) + 2;
  assert.equal(der[1], 0x81, "the request has a one-byte length");
  inner[2] = memberBytes;
  assert.throws(() => parseCertificateRequest(inner, DEVICE), refused(/strict DER|not a PKCS#10/));
});

Deno.test("parseCertificateRequest() refuses when any one byte is changed", async () => {
  const der = await createCertificateRequest({ deviceId: DEVICE, tlsKey: await TlsKey.generate() });
  const at = fc.nat(der.length - 1);
  fc.assert(
    fc.property(at, fc.integer({ min: 1, max: 255 }), (position, mask) => {
      const changed = der.slice();
      changed[position] = (changed[position] ?? 0) ^ mask;
      assert.throws(() => parseCertificateRequest(changed, DEVICE), refused(/./));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("parseCertificateRequest() refuses when given any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    assert.throws(() => parseCertificateRequest(bytes, DEVICE), refused(/./));
  }));
});
