import assert from "node:assert/strict";
import { isSecretName } from "./secret_names.ts";

Deno.test("isSecretName() knows secrets by any word of the name", () => {
  const names = [
    "pin",
    "PIN",
    "devicePin",
    "qr_token",
    "qrToken",
    "secret",
    "clientSecret",
    "privateKey",
    "private_key_pem",
    "private",
    "keyPem",
    "code-key",
    "PALYRA_STORE_PASSWORD",
    "Authorization",
    "TLSKey",
    "pairingCode",
    "pairing_code",
    "pinHash",
    "keyBytes",
  ];
  for (const name of names) assert.ok(isSecretName(name), name);
});

Deno.test("isSecretName() leaves names alone that only look like a secret's", () => {
  const names = [
    "ping",
    "spinner",
    "pinned",
    "mapping",
    "monkey",
    "keepAlive",
    "publicKey",
    "device_public_key",
    "keyId",
    "keyFingerprint",
    "tokenId",
    "idempotencyKey",
    "code",
    "reasonCode",
    "pairingCodeId",
    "",
  ];
  for (const name of names) assert.ok(!isSecretName(name), name);
});
