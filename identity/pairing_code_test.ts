import assert from "node:assert/strict";
import { inspect } from "node:util";
import type { CanonicalUlid } from "./device_id.ts";
import { PalyraError } from "./palyra_error.ts";
import {
  DEFAULT_PAIRING_CODE_TTL_MS,
  derivePinPassword,
  deriveQrCodeKey,
  mintPin,
  mintQrCode,
  parsePairingCodeTtl,
  parsePin,
} from "./pairing_code.ts";

const invalid = (error: unknown): boolean => error instanceof PalyraError && error.code === "invalid_argument";
// Computed by an independent HKDF (RFC 5869).
const PIN_VECTOR = "2d8b061b1028090f84f7c00e230e601dd540590952c81231f0f6ecc4f5a5063f";
const QR_VECTOR = "c47441702e128c1383f3be9aa461d13e9e418acdcda2c2cdf8dd44405127032a";
const CODE_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV" as CanonicalUlid;

Deno.test("mintPin() draws again when the number is above the last whole million", () => {
  const draws = ["ffffffff", "fff9e6c0", "fff13d80", "fff13d7f"];
  const random = () => Uint8Array.fromHex(draws.shift() ?? "");
  // 0xfff13d80 is 4,294 million, the first number of the incomplete million.
  assert.equal(mintPin(random).pin, "999999");
  assert.equal(draws.length, 0);
  assert.equal(mintPin(() => new Uint8Array(4)).pin, "000000");
});

Deno.test("mintPin() gives six digits and many different ones when called often", () => {
  const pins = Array.from({ length: 500 }, () => mintPin().pin);
  assert.ok(pins.every((pin) => /^[0-9]{6}$/.test(pin)));
  assert.ok(new Set(pins).size > 490);
});

Deno.test("derivePinPassword() and deriveQrCodeKey() give fixed keys when given fixed codes", () => {
  assert.equal(derivePinPassword("123456").toHex(), PIN_VECTOR);
  assert.equal(deriveQrCodeKey(new Uint8Array(16), CODE_ID).toHex(), QR_VECTOR);
  const other = "01ARZ3NDEKTSV4RRFFQ69G5FAW" as CanonicalUlid;
  assert.notEqual(deriveQrCodeKey(new Uint8Array(16), other).toHex(), QR_VECTOR);
});

Deno.test("MintedQrCode and MintedPin give the key of their secret and show neither when printed", () => {
  const qr = mintQrCode();
  const pin = mintPin();
  assert.equal(qr.secret.length, 16);
  assert.deepEqual(qr.key, deriveQrCodeKey(qr.secret, qr.codeId));
  assert.deepEqual(pin.key, derivePinPassword(pin.pin));
  const shown = [inspect({ qr, pin }), Deno.inspect({ qr, pin }), JSON.stringify({ qr, pin })].join("\n")
    .replaceAll(qr.codeId, "").replaceAll(pin.codeId, "");
  assert.ok(!shown.includes(pin.pin));
  for (const bytes of [qr.secret, qr.key, pin.key]) {
    assert.ok(!shown.includes(bytes.toHex()) && !shown.includes(Array.from(bytes).slice(0, 8).join(", ")));
  }
});

Deno.test("parsePin() takes digits with spaces or hyphens and refuses when there are not six", () => {
  assert.equal(parsePin(" 123 456\n"), "123456");
  assert.equal(parsePin("123-456"), "123456");
  for (const text of ["", "12345", "1234567", "12345a", "１２３４５６"]) {
    assert.throws(() => parsePin(text), (error) => invalid(error) && (text === "" || !inspect(error).includes(text)));
  }
});

Deno.test("parsePairingCodeTtl() refuses rather than clamps when out of range", () => {
  assert.equal(parsePairingCodeTtl(undefined), DEFAULT_PAIRING_CODE_TTL_MS);
  assert.equal(parsePairingCodeTtl(30_000), 30_000);
  assert.equal(parsePairingCodeTtl(86_400_000), 86_400_000);
  for (const ttl of [29_999, 86_400_001, 0, -1, NaN, Infinity, 60_000.5]) {
    assert.throws(() => parsePairingCodeTtl(ttl), invalid);
  }
});
