import assert from "node:assert/strict";
import { netstrings } from "./netstring.ts";

Deno.test("netstrings() writes each part with its length in bytes", () => {
  assert.equal(netstrings("hello", "", "ä€😀"), "5:hello,0:,9:ä€😀,");
  assert.equal(netstrings(), "");
});

Deno.test("netstrings() tells apart what a plain join would not", () => {
  const lists = [["a", "b"], ["ab"], ["", "ab"], ["ab", ""], ["1:a,1:b,"], ["a,1:b"]];
  assert.equal(new Set(lists.map((parts) => netstrings(...parts))).size, lists.length);
});
