import assert from "node:assert/strict";
import { printableText } from "./printable_text.ts";

Deno.test("printableText() makes characters visible that steer a terminal", () => {
  assert.equal(printableText("a\x1b[31mb"), "a\\u{1b}[31mb");
  assert.equal(printableText("one\ntwo\r\t"), "one\\ntwo\\r\\t");
  assert.equal(printableText("x\u202eexe.txt\u2066\u009b"), "x\\u{202e}exe.txt\\u{2066}\\u{9b}");
});

Deno.test("printableText() leaves names in any script alone", () => {
  for (const name of ["laptop", "Žluťoučký kůň", "書斎の箱", "👩‍💻 box"]) assert.equal(printableText(name), name);
});
