import assert from "node:assert/strict";
import { spelledText, visibleText } from "./visible_text.ts";

Deno.test("visibleText() leaves what people write as it is", () => {
  for (
    const text of ["open https://example.com/a?b=c#d", "/home/ü/Žluťoučký kůň.pdf", "/日本/a b.txt", "e\u0301", "שלום"]
  ) {
    assert.equal(visibleText(text), text);
  }
});

Deno.test("visibleText() makes visible what hides, moves or reorders", () => {
  const hostile = [
    ..."\u0000\u0007\b\u001b\u007f\u0085\u009b",
    ..."\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e",
    ..."\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e",
    ..."\u2060\u2061\u2066\u2067\u2068\u2069\u206f",
    ..."\u00a0\u1680\u2000\u2003\u2007\u200a\u2028\u2029\u202f\u205f\u3000",
    ..."\u2800\u3164\ufe0f\ufeff\uffa0\ufff9\u20dd\ue000\u0378",
    "\ud800",
    "\u{1d173}",
    "\u{e0041}",
    "\u{e0100}",
    "\u{10ffff}",
  ];
  for (const character of hostile) {
    const escaped = `a\\u{${(character.codePointAt(0) ?? 0).toString(16)}}b`;
    assert.equal(visibleText(`a${character}b`), escaped);
  }
  assert.equal(visibleText("a\r\n\tb"), "a\\r\\n\\tb");
});

Deno.test("visibleText() lets no marks pile up", () => {
  assert.equal(visibleText(`a\u0301\u0302${"\u0300".repeat(3)}b`), `a\u0301\u0302${"\\u{300}".repeat(3)}b`);
});

Deno.test("visibleText() of any character is one line without controls", () => {
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const shown = visibleText(String.fromCodePoint(codePoint));
    if (!/^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(shown)) assert.fail(`U+${codePoint.toString(16)}`);
  }
});

Deno.test("spelledText() tells look-alikes apart", () => {
  assert.equal(spelledText("/home/a~b"), "/home/a~b");
  assert.equal(spelledText("/ex\u0430mple\u{1f600}"), "/ex\\u{430}mple\\u{1f600}");
});
