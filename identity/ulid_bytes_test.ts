import assert from "node:assert/strict";
import { decodeTime } from "ulid";
import fc from "fast-check";
import { isCanonicalUlid, newUlid } from "./device_id.ts";
import { bytesToUlid, ulidFrom, ulidToBytes } from "./ulid_bytes.ts";
import { unixMs } from "./unix_ms.ts";

Deno.test("bytesToUlid() and ulidToBytes() are inverse when given any 16 bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const text = bytesToUlid(bytes);
    assert.ok(isCanonicalUlid(text));
    assert.equal(ulidToBytes(text).toHex(), bytes.toHex());
  }));
  const fresh = newUlid();
  assert.equal(bytesToUlid(ulidToBytes(fresh)), fresh);
  assert.equal(bytesToUlid(new Uint8Array(16).fill(0xff)), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
});

Deno.test("ulidFrom() carries the time when read by another implementation", () => {
  const time = unixMs(1_790_000_000_123);
  assert.equal(decodeTime(ulidFrom(time, new Uint8Array(10))), time);
  assert.throws(() => ulidFrom(time, new Uint8Array(9)), RangeError);
});

Deno.test("ulidToBytes() throws when the text is not canonical", () => {
  assert.throws(() => ulidToBytes("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), RangeError);
  assert.throws(() => ulidToBytes("01arz3ndektsv4rrffq69g5fav"), RangeError);
  assert.throws(() => bytesToUlid(new Uint8Array(15)), RangeError);
});
