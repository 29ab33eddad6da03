import assert from "node:assert/strict";
import { SecretLine } from "./secret_line.ts";

function typed(...texts: readonly string[]): [string, string | undefined] {
  const line = new SecretLine(6);
  const states = texts.map((text) => line.type(text));
  return [states.at(-1) ?? "", line.text];
}

Deno.test("SecretLine ends at Enter and ignores what follows", () => {
  assert.deepEqual(typed("48", "29"), ["typing", "4829"]);
  assert.deepEqual(typed("482915\r1\n"), ["entered", "482915"]);
  assert.deepEqual(typed("\n"), ["entered", ""]);
});

Deno.test("SecretLine erases characters, and all of them", () => {
  assert.deepEqual(typed("12\x7f3ž\b4\r"), ["entered", "134"]);
  assert.deepEqual(typed("\x7f\x7f1\r"), ["entered", "1"]);
  assert.deepEqual(typed("123456789\x1512\r"), ["entered", "12"]);
});

Deno.test("SecretLine cancels by Ctrl-C, and by Ctrl-D on an empty line", () => {
  assert.equal(typed("12\x03")[0], "cancelled");
  assert.equal(typed("\x04")[0], "cancelled");
  assert.equal(typed("\x1b\x03")[0], "cancelled");
  assert.deepEqual(typed("12\x04"), ["entered", "12"]);
});

Deno.test("SecretLine ignores arrow keys, paste marks and other control characters", () => {
  assert.deepEqual(typed("1\x1b[A\x1bOB2\x1b[20", "0~3\x1b[201~\x1a\x00\x1bx4\r"), ["entered", "1234"]);
});

Deno.test("SecretLine keeps no more than it may", () => {
  assert.deepEqual(typed("1234567\r"), ["entered", undefined]);
  assert.deepEqual(typed("123456\r"), ["entered", "123456"]);
});
