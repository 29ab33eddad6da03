import assert from "node:assert/strict";
import { sameBytes } from "./same_bytes.ts";

Deno.test("sameBytes() compares content and length when given views of different buffers", () => {
  const buffer = Uint8Array.of(9, 1, 2, 3, 9);
  assert.ok(sameBytes(buffer.subarray(1, 4), Uint8Array.of(1, 2, 3)));
  assert.ok(!sameBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2, 4)));
  assert.ok(!sameBytes(Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2)));
  assert.ok(sameBytes(new Uint8Array(0), new Uint8Array(0)));
});
