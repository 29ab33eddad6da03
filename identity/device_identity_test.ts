import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPublicKey, generateKeyPairSync, sign as nodeSign, verify as nodeVerify } from "node:crypto";
import { inspect } from "node:util";
import * as ed25519 from "@noble/ed25519";
import { ED25519_TORSION_SUBGROUP } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { newDeviceId, parseDeviceId } from "./device_id.ts";
import { DeviceIdentity, isDevicePublicKey, verifyDeviceSignature } from "./device_identity.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const SPKI_PREFIX = "302a300506032b6570032100";

// RFC 8032 section 7.1, test 2.
const RFC_SEED = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const RFC_PUBLIC = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const RFC_SIGNATURE = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

Deno.test("DeviceIdentity.sign() gives the RFC 8032 signature when it holds the RFC's key", () => {
  const device = DeviceIdentity.generate(newDeviceId(), () => Uint8Array.fromHex(RFC_SEED));
  assert.equal(device.publicKey.toHex(), RFC_PUBLIC);
  assert.equal(device.fingerprint, fingerprintOf(Uint8Array.fromHex(RFC_PUBLIC)));
  assert.equal(device.sign(Uint8Array.of(0x72)).toHex(), RFC_SIGNATURE);
});

Deno.test("verifyDeviceSignature() agrees with node:crypto when either side signs", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const spki = Uint8Array.fromHex(SPKI_PREFIX + device.publicKey.toHex());
  const publicKey = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  assert.ok(nodeVerify(null, text("hello"), publicKey, device.sign(text("hello"))));

  const other = generateKeyPairSync("ed25519");
  const raw = new Uint8Array(other.publicKey.export({ format: "der", type: "spki" })).subarray(-32);
  assert.ok(verifyDeviceSignature(raw, text("hello"), new Uint8Array(nodeSign(null, text("hello"), other.privateKey))));
});

Deno.test("verifyDeviceSignature() is false when message, signature or key is changed", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const message = text("a message");
  const signature = device.sign(message);
  assert.ok(verifyDeviceSignature(device.publicKey, message, signature));
  fc.assert(fc.property(fc.nat(511), (bit) => {
    const changed = signature.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!verifyDeviceSignature(device.publicKey, message, changed));
  }));
  assert.ok(!verifyDeviceSignature(device.publicKey, text("another"), signature));
  assert.ok(!verifyDeviceSignature(DeviceIdentity.generate(newDeviceId()).publicKey, message, signature));
  assert.ok(!verifyDeviceSignature(device.publicKey, message, signature.subarray(1)));
  assert.ok(!verifyDeviceSignature(new Uint8Array(0), message, signature));
});

Deno.test("verifyDeviceSignature() is false when the scalar is not reduced", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const signature = device.sign(text("m"));
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const scalar = BigInt(`0x${signature.slice(32).reverse().toHex()}`) + order;
  signature.set(Uint8Array.fromHex(scalar.toString(16).padStart(64, "0")).reverse(), 32);
  assert.ok(!verifyDeviceSignature(device.publicKey, text("m"), signature));
});

Deno.test("isDevicePublicKey() refuses when the key is of low or mixed order, not canonical, or no point", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  assert.ok(isDevicePublicKey(device.publicKey));
  // For a low-order key R = identity, s = 0 "signs" whatever hashes to a multiple of its order.
  const forged = new Uint8Array(64);
  forged[0] = 1;
  for (const hex of ED25519_TORSION_SUBGROUP) {
    const lowOrder = Uint8Array.fromHex(hex);
    assert.ok(!isDevicePublicKey(lowOrder), hex);
    for (let tries = 0; tries < 16; tries++) {
      assert.ok(!verifyDeviceSignature(lowOrder, Uint8Array.of(tries), forged), hex);
    }
  }
  const torsion = ed25519.Point.fromHex(ED25519_TORSION_SUBGROUP[1] ?? "");
  const mixedOrder = ed25519.Point.fromHex(RFC_PUBLIC).add(torsion).toBytes();
  assert.ok(!isDevicePublicKey(mixedOrder));
  // y = 1 + p encodes y = 1 a second time; y = 2 is on no point.
  assert.ok(!isDevicePublicKey(Uint8Array.fromHex("ee" + "ff".repeat(30) + "7f")));
  assert.ok(!isDevicePublicKey(Uint8Array.fromHex("02" + "00".repeat(31))));
  assert.ok(!isDevicePublicKey(device.publicKey.subarray(1)));
});

Deno.test("DeviceIdentity.fromStored() restores the same key when given toStored() through JSON", () => {
  const device = DeviceIdentity.generate(newDeviceId());
  const restored = DeviceIdentity.fromStored(JSON.parse(JSON.stringify(device.toStored())));
  assert.equal(restored.deviceId, device.deviceId);
  assert.equal(restored.fingerprint, device.fingerprint);
  assert.ok(verifyDeviceSignature(device.publicKey, text("x"), restored.sign(text("x"))));
});

Deno.test("DeviceIdentity.fromStored() refuses with state_damaged when anything is off", () => {
  const good = DeviceIdentity.generate(newDeviceId()).toStored();
  const other = DeviceIdentity.generate(newDeviceId()).toStored();
  const bad: unknown[] = [
    null,
    "text",
    {},
    { ...good, version: 2 },
    { ...good, extra: 1 },
    { ...good, deviceId: "nobody" },
    { ...good, publicKey: other.publicKey },
    { ...good, privateKey: good.privateKey.slice(2) },
    { ...good, privateKey: "!!!" },
  ];
  for (const stored of bad) {
    assert.throws(() => DeviceIdentity.fromStored(stored), (error) => {
      assert.ok(error instanceof PalyraError);
      assert.equal(error.code, "state_damaged");
      assert.ok(!inspect(error, { depth: 9 }).includes(good.privateKey));
      return true;
    });
  }
});

Deno.test("DeviceIdentity shows no key when printed, inspected or serialised", () => {
  const device = DeviceIdentity.generate(
    parseDeviceId("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    () => Uint8Array.fromHex(RFC_SEED),
  );
  const shown = [
    `${device}`,
    JSON.stringify({ device }),
    inspect({ device }, { depth: 9, showHidden: true }),
    Deno.inspect({ device }, { depth: 9, showHidden: true }),
  ];
  const secretForms = [RFC_SEED, device.toStored().privateKey, Array.from(Uint8Array.fromHex(RFC_SEED)).join(", ")];
  for (const output of shown) {
    assert.ok(output.includes("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
    for (const secret of secretForms) assert.ok(!output.includes(secret));
  }
});
