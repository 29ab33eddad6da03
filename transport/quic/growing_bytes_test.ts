import assert from "node:assert/strict";
import { GrowingBytes } from "./growing_bytes.ts";

Deno.test("GrowingBytes gives what was appended, and is empty again when it was taken", () => {
  const bytes = new GrowingBytes(10);
  const shared = Uint8Array.of(1, 2, 3);
  bytes.append(shared);
  shared.fill(9);
  bytes.append(Uint8Array.of(4));
  assert.equal(bytes.length, 4);
  assert.deepEqual(bytes.take(), Uint8Array.of(1, 2, 3, 4));
  assert.equal(bytes.length, 0);
  bytes.append(Uint8Array.of(5));
  assert.deepEqual(bytes.take(), Uint8Array.of(5));
});

Deno.test("GrowingBytes.append() refuses and keeps what it had when there would be more than the limit", () => {
  const bytes = new GrowingBytes(3);
  bytes.append(Uint8Array.of(1, 2));
  assert.throws(() => bytes.append(Uint8Array.of(3, 4)), RangeError);
  bytes.append(Uint8Array.of(3));
  assert.deepEqual(bytes.take(), Uint8Array.of(1, 2, 3));
});

Deno.test("GrowingBytes holds at most twice what came, and moves what it has at few sizes only", () => {
  const capacities = new Set<number>();
  for (let count = 1; count <= 1_024; count++) {
    const bytes = new GrowingBytes(1 << 30);
    for (let each = 0; each < count; each++) bytes.append(Uint8Array.of(each));
    const capacity = bytes.take().buffer.byteLength;
    assert.ok(capacity <= 2 * count, `${capacity} for ${count}`);
    capacities.add(capacity);
  }
  assert.equal(capacities.size, 11);
});

Deno.test("GrowingBytes is exactly as large as the limit when that many bytes came", () => {
  const bytes = new GrowingBytes(1_000);
  for (let each = 0; each < 1_000; each++) bytes.append(Uint8Array.of(each));
  assert.equal(bytes.take().buffer.byteLength, 1_000);
});
