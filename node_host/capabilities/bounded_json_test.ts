import assert from "node:assert/strict";
import { encodeBoundedJson, MAX_JSON_BYTES, MAX_JSON_DEPTH, parseBoundedJson } from "./bounded_json.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

Deno.test("parseBoundedJson() takes any JSON value, and nothing as null", () => {
  assert.equal(parseBoundedJson(new Uint8Array()), null);
  assert.deepEqual(parseBoundedJson(utf8(' {"a":[1,"ü",true,null]} ')), { a: [1, "ü", true, null] });
  assert.equal(parseBoundedJson(utf8("-1.5e3")), -1500);
});

Deno.test("parseBoundedJson() refuses what is not UTF-8 or not JSON, without quoting it", () => {
  const hostile = [
    Uint8Array.of(0xff),
    Uint8Array.of(0x22, 0xc3, 0x22),
    Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22),
    utf8("\ufeff{}"),
    utf8(" "),
    utf8("{"),
    utf8('{"pin":hunter2}'),
    utf8("NaN"),
    utf8("{}{}"),
    utf8("'a'"),
    utf8("[1,]"),
    utf8('"\u0000"'),
    utf8("]]]]"),
  ];
  for (const bytes of hostile) {
    assert.throws(() => parseBoundedJson(bytes), (thrown: Error & { code?: string }) => {
      assert.equal(thrown.code, "invalid_input");
      assert.ok(!Deno.inspect(thrown).includes("hunter2"), "the input's text is in the error");
      return true;
    });
  }
});

Deno.test("parseBoundedJson() bounds the size", () => {
  const largest = utf8(`"${"a".repeat(MAX_JSON_BYTES - 2)}"`);
  assert.equal(typeof parseBoundedJson(largest), "string");
  assert.throws(() => parseBoundedJson(utf8(`"${"a".repeat(MAX_JSON_BYTES - 1)}"`)), { code: "invalid_input" });
});

Deno.test("parseBoundedJson() bounds the depth before it parses", () => {
  parseBoundedJson(utf8(nested(MAX_JSON_DEPTH)));
  parseBoundedJson(utf8(`["${"[".repeat(1000)}\\"[[${"{".repeat(1000)}"]`));
  parseBoundedJson(utf8(`[${Array(1000).fill("[[]]").join()}]`));
  assert.throws(() => parseBoundedJson(utf8(nested(MAX_JSON_DEPTH + 1))), /deeper than 64/);
  assert.throws(() => parseBoundedJson(utf8("[".repeat(500_000))), /deeper than 64/);
  assert.throws(() => parseBoundedJson(utf8('{"a":'.repeat(65) + "1" + "}".repeat(65))), /deeper than 64/);
  // An escaped quote does not end a string, an escaped backslash before a quote does not escape it.
  assert.throws(() => parseBoundedJson(utf8(`["\\\\",${nested(MAX_JSON_DEPTH)}]`)), /deeper than 64/);
});

Deno.test("encodeBoundedJson() writes JSON and refuses what JSON cannot hold", () => {
  assert.equal(new TextDecoder().decode(encodeBoundedJson({ a: undefined, b: [undefined] })), '{"b":[null]}');
  assert.equal(new TextDecoder().decode(encodeBoundedJson(undefined)), "null");
  const cycle: unknown[] = [];
  cycle.push(cycle);
  let deep: unknown = 1;
  for (let depth = 0; depth < 100_000; depth++) deep = [deep];
  for (const value of [cycle, 1n, () => 1, Symbol("s"), deep, JSON.parse(nested(MAX_JSON_DEPTH + 1))]) {
    assert.throws(() => encodeBoundedJson(value), { code: "invalid_output" });
  }
});
