import assert from "node:assert/strict";
import fc from "fast-check";
import { lengthValueConcat, prependLength } from "./length_value.ts";

Deno.test("prependLength() writes LEB128 lengths when they need one, two or three bytes", () => {
  assert.equal(prependLength(new Uint8Array(0)).toHex(), "00");
  assert.equal(prependLength(new TextEncoder().encode("1234")).toHex(), "0431323334");
  assert.equal(prependLength(new Uint8Array(127)).subarray(0, 1).toHex(), "7f");
  assert.equal(prependLength(new Uint8Array(128)).subarray(0, 2).toHex(), "8001");
  assert.equal(prependLength(new Uint8Array(16_384)).subarray(0, 3).toHex(), "808001");
});

Deno.test("lengthValueConcat() matches the draft's example when given text and an empty part", () => {
  assert.equal(lengthValueConcat("1234", "5", "", "678").toHex(), "043132333401350003363738");
});

Deno.test("lengthValueConcat() differs when the same characters are split differently", () => {
  const list = fc.array(fc.string({ unit: "binary", maxLength: 200 }), { maxLength: 6 });
  fc.assert(fc.property(list, list, (left, right) => {
    const same = JSON.stringify(left) === JSON.stringify(right);
    assert.equal(lengthValueConcat(...left).toHex() === lengthValueConcat(...right).toHex(), same);
  }));
  assert.notEqual(lengthValueConcat("ab", "c").toHex(), lengthValueConcat("a", "bc").toHex());
});
