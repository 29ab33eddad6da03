import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { inspect } from "node:util";
import { PalyraError } from "./palyra_error.ts";
import { isP256PublicKey, p256Point, TlsKey } from "./tls_key.ts";

const damaged = (error: unknown): boolean => error instanceof PalyraError && error.code === "state_damaged";

Deno.test("TlsKey.fromPem() restores a key that signs for the same public key when given toPem()", async () => {
  const key = await TlsKey.generate();
  const restored = await TlsKey.fromPem(await key.toPem());
  assert.equal(restored.publicKey.toHex(), key.publicKey.toHex());
  const message = Uint8Array.of(1, 2, 3);
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, restored.keys.privateKey, message);
  assert.ok(await crypto.subtle.verify(algorithm, key.keys.publicKey, signature, message));
  assert.equal(createPrivateKey(await key.toPem()).asymmetricKeyDetails?.namedCurve, "prime256v1");
});

Deno.test("TlsKey.fromPem() reads a key when another implementation wrote it", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  const key = await TlsKey.fromPem(pem);
  const expected = createPublicKey(pem).export({ format: "der", type: "spki" });
  assert.equal(key.publicKey.toHex(), new Uint8Array(expected).toHex());
});

Deno.test("TlsKey.fromPem() refuses with state_damaged when it is another curve, algorithm, or no key", async () => {
  const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey;
  const ed25519 = generateKeyPairSync("ed25519").privateKey;
  const pems = [p384, ed25519].map((key) => key.export({ format: "pem", type: "pkcs8" }).toString());
  const good = await (await TlsKey.generate()).toPem();
  const bad = [...pems, "", good.slice(0, 80), good.replace(/[A-Za-z0-9+/]{20}\n/, "\n")];
  await Promise.all(bad.map((pem) => assert.rejects(TlsKey.fromPem(pem), damaged)));
});

Deno.test("isP256PublicKey() is false when the point is off the curve, cut, of another curve or of another form", async () => {
  const { publicKey } = await TlsKey.generate();
  assert.ok(isP256PublicKey(publicKey));
  assert.equal(p256Point(publicKey).length, 65);
  const changed = (at: number): Uint8Array => {
    const copy = publicKey.slice();
    copy[at] = (copy[at] ?? 0) ^ 1;
    return copy;
  };
  const p384 = generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey.export({ format: "der", type: "spki" });
  const infinity = publicKey.slice().fill(0, 27);
  for (const spki of [changed(90), changed(22), changed(26), publicKey.subarray(1), new Uint8Array(p384), infinity]) {
    assert.ok(!isP256PublicKey(spki));
  }
});

Deno.test("TlsKey shows no private key when inspected or serialised", async () => {
  const key = await TlsKey.generate();
  const pem = await key.toPem();
  const shown = [inspect(key, { depth: 9 }), Deno.inspect(key, { depth: 9 }), JSON.stringify(key), `${key}`].join("\n");
  const jwk = await crypto.subtle.exportKey("jwk", key.keys.privateKey);
  const secret = Uint8Array.fromBase64(jwk.d ?? "", { alphabet: "base64url" });
  assert.equal(secret.length, 32);
  for (const form of [pem.split("\n")[1] ?? "", jwk.d ?? "", secret.toHex(), Array.from(secret).join(",")]) {
    assert.ok(!shown.replaceAll(/[\s]/g, "").includes(form));
  }
});
