import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { CLIENT_KINDS } from "./client_kind.ts";
import type { CanonicalUlid } from "./device_id.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { PalyraError } from "./palyra_error.ts";
import { encodeQrToken, MAX_QR_TOKEN_CHARACTERS, parseQrToken, type QrTokenContent } from "./qr_token.ts";
import { bytesToUlid } from "./ulid_bytes.ts";
import { unixMs } from "./unix_ms.ts";

const CONTENT: QrTokenContent = {
  endpoints: ["gateway.example.org:7445", "192.0.2.7:7445", "[2001:db8::7]:7445"],
  caFingerprint: fingerprintOf(Uint8Array.of(1)),
  codeId: "01ARZ3NDEKTSV4RRFFQ69G5FAV" as CanonicalUlid,
  secret: Uint8Array.fromHex("000102030405060708090a0b0c0d0e0f"),
  expiresAt: unixMs(1_790_000_000_123),
  clientKind: "node",
};

const FIXED_TOKEN =
  "palyra1:AIcBoMRQbHsAAVY-OrXT1nZMYe-5kwK9WwABAgMEBQYHCAkKCwwNDg9L9RIvNEVUxTveLruM0rfj0WAK1jHDhaXXzOI8" +
  "d4VFmgMYZ2F0ZXdheS5leGFtcGxlLm9yZzo3NDQ1DjE5Mi4wLjIuNzo3NDQ1ElsyMDAxOmRiODo6N106NzQ0NfdV800";

function refused(about: RegExp, token = ""): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PalyraError);
    assert.equal(error.code, "invalid_pairing_token");
    assert.match(error.message, about);
    if (token.length > 20) assert.ok(!inspect(error).includes(token.slice(8, 28)), "the token is not repeated");
    return true;
  };
}

/** A token with a right checksum over a body that was changed at one place. */
function resealed(change: (body: Uint8Array) => void): string {
  const body = Uint8Array.fromBase64(encodeQrToken(CONTENT).slice(8), { alphabet: "base64url" });
  const signed = body.subarray(0, -4);
  change(signed);
  const digest = createHash("sha256").update("palyra1:").update(signed).digest();
  body.set(digest.subarray(0, 4), signed.length);
  return `palyra1:${body.toBase64({ alphabet: "base64url", omitPadding: true })}`;
}

Deno.test("encodeQrToken() writes the same text for ever when given the same content", () => {
  const token = encodeQrToken(CONTENT);
  assert.equal(token, FIXED_TOKEN);
  const parsed = parseQrToken(token);
  assert.deepEqual({ ...parsed, secret: parsed.secret }, CONTENT);
});

Deno.test("parseQrToken() gives the content back when given any encodeQrToken()", () => {
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6().map((address) => `[${address}]`));
  const endpoint = fc.tuple(host, fc.integer({ min: 1, max: 65_535 })).map(([name, port]) => `${name}:${port}`)
    .filter((text) => text.length <= 80);
  const content = fc.record({
    endpoints: fc.array(endpoint, { minLength: 1, maxLength: 8 }),
    caFingerprint: fc.uint8Array().map(fingerprintOf),
    codeId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytesToUlid),
    secret: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    expiresAt: fc.integer({ min: 0, max: 2 ** 48 - 1 }).map(unixMs),
    clientKind: fc.constantFrom(...CLIENT_KINDS),
  });
  fc.assert(fc.property(content, (original) => {
    const token = encodeQrToken(original);
    assert.match(token, /^palyra1:[A-Za-z0-9_-]+$/);
    const parsed = parseQrToken(token);
    assert.deepEqual({ ...parsed, secret: parsed.secret.toHex() }, { ...original, secret: original.secret.toHex() });
  }));
});

Deno.test("parseQrToken() reads a token when white space was put into it", () => {
  const token = encodeQrToken(CONTENT);
  assert.equal(parseQrToken(` ${token.slice(0, 40)}\r\n  ${token.slice(40)}\n`).codeId, CONTENT.codeId);
});

Deno.test("parseQrToken() says cut short when any part of the end is missing", () => {
  const token = encodeQrToken(CONTENT);
  for (let length = 1; length < token.length; length++) {
    assert.throws(() => parseQrToken(token.slice(0, length)), refused(/cut short/, token));
  }
});

Deno.test("parseQrToken() says that a character was changed when one was", () => {
  const token = encodeQrToken(CONTENT);
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  fc.assert(
    fc.property(fc.integer({ min: 11, max: token.length - 2 }), fc.constantFrom(...alphabet), (at, character) => {
      fc.pre(token[at] !== character);
      const changed = token.slice(0, at) + character + token.slice(at + 1);
      assert.throws(() => parseQrToken(changed), refused(/wrong checksum/, token));
    }),
  );
});

Deno.test("parseQrToken() tells apart when it is no token, newer, doubled or too long", () => {
  const token = encodeQrToken(CONTENT);
  for (const text of ["", "hello", "palyra:abc", "palyra0:abcd", "https://example.org", `palyra1:${"%".repeat(40)}`]) {
    assert.throws(() => parseQrToken(text), refused(/is not a token/));
  }
  assert.throws(() => parseQrToken(token.replace("palyra1", "palyra2")), refused(/newer/, token));
  assert.throws(() => parseQrToken(`${token}AAAA`), refused(/after its end/, token));
  assert.throws(() => parseQrToken("p".repeat(MAX_QR_TOKEN_CHARACTERS + 1)), refused(/longer than 1,024/));
});

Deno.test("parseQrToken() refuses when the checksum is right but the content is not", () => {
  const changes: ((body: Uint8Array) => void)[] = [
    (body) => body[8] = 9,
    (body) => body[73] = 0,
    (body) => body[73] = 9,
    (body) => body[73] = 2,
    (body) => body[74] = 255,
    (body) => body[75] = 0x20,
    (body) => body[75] = 0xff,
  ];
  for (const change of changes) assert.throws(() => parseQrToken(resealed(change)), refused(/content/));
  assert.equal(parseQrToken(resealed(() => {})).clientKind, "node");
});

Deno.test("parseQrToken() throws nothing but invalid_pairing_token when given any text", () => {
  const anything = fc.oneof(fc.string({ maxLength: 300 }), fc.base64String().map((text) => `palyra1:${text}`));
  fc.assert(fc.property(anything, (text) => assert.throws(() => parseQrToken(text), refused(/./))));
});

Deno.test("encodeQrToken() refuses when there are no, too many, malformed or too long endpoints", () => {
  const long = `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}.example.org:7445`;
  for (const endpoints of [[], ["gateway"], ["gateway:0"], Array(9).fill("gateway:7445"), Array(8).fill(long)]) {
    assert.throws(
      () => encodeQrToken({ ...CONTENT, endpoints }),
      (error) => error instanceof PalyraError && error.code === "invalid_argument",
    );
  }
});

Deno.test("QrToken shows no secret when inspected or serialised", () => {
  const token = parseQrToken(encodeQrToken(CONTENT));
  const secretForms = ["000102030405", "0, 1, 2, 3", "1,2,3", "AAECAwQF", "0:0,1:1"];
  for (const shown of [inspect(token, { depth: 9 }), Deno.inspect(token), JSON.stringify(token), `${token}`]) {
    for (const form of secretForms) assert.ok(!shown.replaceAll('"', "").includes(form), shown);
  }
});
