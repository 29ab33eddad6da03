import assert from "node:assert/strict";
import { printableText } from "./printable_text.ts";

Deno.test("printableText() leaves ordinary text as it is", () => {
  assert.equal(printableText("Ünïcode – ok 日本語 🙂", 64), "Ünïcode – ok 日本語 🙂");
});

Deno.test("printableText() replaces what a terminal or a reader would be misled by", () => {
  assert.equal(printableText("a\u001b[2Jb\nc\u202Ed\u2028e\ud800f\u0000", 64), "a?[2Jb?c?d?e?f?");
});

Deno.test("printableText() cuts at whole characters and says so", () => {
  assert.equal(printableText("abcdef", 6), "abcdef");
  assert.equal(printableText("abcdefg", 6), "abcde…");
  assert.equal(printableText("🙂".repeat(7), 6), "🙂".repeat(5) + "…");
  assert.equal(Array.from(printableText("x".repeat(10_000_000), 10)).length, 10);
});
