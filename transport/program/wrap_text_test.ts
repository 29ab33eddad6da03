import assert from "node:assert/strict";
import { wrapText } from "./wrap_text.ts";

Deno.test("wrapText() breaks between words and keeps within the width", () => {
  assert.deepEqual(wrapText("one two  three four", 9), ["one two", "three", "four"]);
  assert.deepEqual(wrapText("a-word-that-is-wider and more", 8), ["a-word-that-is-wider", "and more"]);
  assert.deepEqual(wrapText("  ", 8), []);
  // Two columns each.
  assert.deepEqual(wrapText("雪雪 雪雪", 8), ["雪雪", "雪雪"]);
});
