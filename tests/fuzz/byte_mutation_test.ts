import assert from "node:assert/strict";
import { concat, extend, flipBits, moveBytes, mutateBytes, splice, truncate } from "./byte_mutation.ts";
import { Chance } from "../harness/chance.ts";

const BYTES = Uint8Array.from({ length: 40 }, (_, index) => index);

Deno.test("flipBits() changes at most sixteen bits and neither the length nor what it was given", () => {
  const chance = new Chance(1);
  for (let round = 0; round < 200; round++) {
    const flipped = flipBits(chance, BYTES);
    const bits = flipped.reduce((count, byte, at) => count + popCount(byte ^ (BYTES[at] ?? 0)), 0);
    assert.ok(flipped.length === BYTES.length && bits <= 16);
  }
  assert.equal(BYTES[39], 39);
});

Deno.test("truncate(), extend() and splice() keep the beginning of what they change", () => {
  const chance = new Chance(2);
  for (let round = 0; round < 200; round++) {
    const short = truncate(chance, BYTES);
    assert.ok(short.length < BYTES.length);
    assert.deepEqual(short, BYTES.subarray(0, short.length));
    const long = extend(chance, BYTES, 5);
    assert.ok(long.length > BYTES.length && long.length <= BYTES.length + 5);
    assert.deepEqual(long.subarray(0, BYTES.length), BYTES);
    assert.ok(splice(chance, BYTES, BYTES).length <= 2 * BYTES.length);
  }
});

Deno.test("Every mutation takes nothing for bytes, too", () => {
  const nothing = new Uint8Array(0);
  const chance = new Chance(3);
  for (let round = 0; round < 200; round++) {
    for (const change of [flipBits, truncate, moveBytes, mutateBytes]) change(chance, nothing);
    assert.equal(splice(chance, nothing, nothing).length, 0);
  }
});

Deno.test("concat() puts the parts one after another", () => {
  assert.deepEqual(concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)), Uint8Array.of(1, 2, 3));
});

function popCount(byte: number): number {
  return [...byte.toString(2)].filter((bit) => bit === "1").length;
}
