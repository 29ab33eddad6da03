import assert from "node:assert/strict";
import { DER_TAG, derElement } from "./der.ts";

Deno.test("derElement() writes the shortest length when contents cross 127, 255 and 65,535 bytes", () => {
  const header = (length: number): string => {
    const element = derElement(DER_TAG.sequence, new Uint8Array(length));
    return element.subarray(0, element.length - length).toHex();
  };
  assert.equal(header(0), "3000");
  assert.equal(header(127), "307f");
  assert.equal(header(128), "308180");
  assert.equal(header(255), "3081ff");
  assert.equal(header(256), "30820100");
  assert.equal(header(65_535), "3082ffff");
  assert.throws(() => header(65_536), RangeError);
});

Deno.test("derElement() joins its contents when given several", () => {
  assert.equal(derElement(DER_TAG.set, Uint8Array.of(1, 2), Uint8Array.of(3)).toHex(), "3103010203");
});
