import assert from "node:assert/strict";
import { jsonDepth, parseJsonObject } from "./json_object.ts";

Deno.test("parseJsonObject() reads an object and nothing else", () => {
  assert.deepEqual(parseJsonObject(`{"a":[1,{"b":null}]}`), { a: [1, { b: null }] });
  for (const text of ["", "{", "[]", "null", "1", `"{}"`, `{"a":undefined}`, "{}{}"]) {
    assert.equal(parseJsonObject(text), undefined, text);
  }
});

Deno.test("parseJsonObject() takes 64 levels and refuses more", () => {
  const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  assert.ok(parseJsonObject(nested(64)));
  assert.equal(parseJsonObject(nested(65)), undefined);
  assert.equal(parseJsonObject(nested(1_000_000)), undefined, "whatever the depth");
});

Deno.test("jsonDepth() counts brackets outside of strings only", () => {
  assert.equal(jsonDepth(`{"[[[":["\\"[[",{}]}`), 3);
  assert.equal(jsonDepth(`[[],[[]]]`), 3);
  assert.equal(jsonDepth(`"{{{"`), 0);
});
