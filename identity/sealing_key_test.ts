import assert from "node:assert/strict";
import { inspect } from "node:util";
import { parseSealingKey, SealingKey } from "./sealing_key.ts";

const BYTES = Uint8Array.from({ length: 32 }, (_, at) => at * 7 + 3);
const utf8 = (text: string) => new TextEncoder().encode(text);

Deno.test("parseSealingKey() takes hex, base64, base64url and 32 raw bytes", () => {
  const texts = [
    BYTES.toHex(),
    BYTES.toHex().toUpperCase(),
    BYTES.toBase64(),
    BYTES.toBase64({ alphabet: "base64url", omitPadding: true }),
    ` ${BYTES.toBase64()}\n`,
  ];
  for (const text of texts) assert.deepEqual(parseSealingKey(utf8(text)), BYTES, text);
  assert.deepEqual(parseSealingKey(BYTES), BYTES);
});

Deno.test("parseSealingKey() takes nothing else", () => {
  const wrong = ["", "secret", BYTES.toHex().slice(2), `${BYTES.toHex()}00`, BYTES.toBase64().slice(4), "=".repeat(44)];
  for (const text of wrong) assert.equal(parseSealingKey(utf8(text)), undefined, text);
  assert.equal(parseSealingKey(new Uint8Array(33)), undefined);
  const halfAKey = BYTES.subarray(16).toHex();
  assert.equal(parseSealingKey(utf8(halfAKey)), undefined, "32 characters are not 32 random bytes");
  assert.equal(parseSealingKey(utf8("correct horse battery staple 31\n")), undefined);
});

Deno.test("SealingKey has an id that is its own and the same every time, and prints nothing else", async () => {
  const [one, again, other] = await Promise.all([
    SealingKey.of(BYTES),
    SealingKey.of(BYTES.slice()),
    SealingKey.of(new Uint8Array(32)),
  ]);
  assert.match(one.id, /^[0-9a-f]{16}$/);
  assert.equal(one.id, again.id);
  assert.notEqual(one.id, other.id);
  const shown = inspect(one, { depth: 9, showHidden: true }) + JSON.stringify(one) + String(one);
  assert.ok(shown.includes(one.id));
  assert.ok(!shown.includes(BYTES.toHex()) && !shown.includes(BYTES.toBase64()));
  await assert.rejects(SealingKey.of(new Uint8Array(31)), RangeError);
});
