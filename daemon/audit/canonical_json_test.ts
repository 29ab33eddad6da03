import assert from "node:assert/strict";
import { canonicalJson } from "./canonical_json.ts";

Deno.test("canonicalJson() writes one text, whatever order the members came in", () => {
  const text = '{"a":[1,true,null,"x\\ny"],"b":{"c":-0.5,"d":1e+21},"ä":""}';
  assert.equal(canonicalJson({ ä: "", b: { d: 1e21, c: -0.5 }, a: [1, true, null, "x\ny"] }), text);
  assert.equal(canonicalJson(JSON.parse(text)), text);
});

Deno.test("canonicalJson() orders names by UTF-16 code units, as RFC 8785 does", () => {
  const sorted = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"];
  const value = Object.fromEntries(sorted.toReversed().map((name) => [name, 0]));
  assert.equal(canonicalJson(value), `{${sorted.map((name) => `${JSON.stringify(name)}:0`).join(",")}}`);
});

Deno.test("canonicalJson() leaves out what is undefined and mends half a surrogate pair", () => {
  assert.equal(canonicalJson({ a: undefined, b: "\ud83d" }), '{"b":"\ufffd"}');
});
