import assert from "node:assert/strict";
import { displayWidth, truncateToWidth } from "./display_width.ts";

Deno.test("displayWidth() counts the cells of names as terminals draw them", () => {
  const expected: readonly [string, number][] = [
    ["", 0],
    ["laptop", 6],
    ["Žluťoučký", 9],
    ["e\u0301", 1],
    ["書斎", 4],
    ["한글", 4],
    ["👩‍💻", 2],
    ["✈️", 2],
    ["a\u200db", 2],
  ];
  for (const [text, cells] of expected) assert.equal(displayWidth(text), cells, JSON.stringify(text));
});

Deno.test("truncateToWidth() never exceeds the width nor cuts through a character", () => {
  assert.equal(truncateToWidth("laptop", 6), "laptop");
  assert.equal(truncateToWidth("laptop", 5), "lapt…");
  assert.equal(truncateToWidth("書斎の箱", 4), "書…");
  assert.equal(truncateToWidth("👩‍💻👩‍💻", 3), "👩‍💻…");
  assert.equal(truncateToWidth("abc", 1), "…");
  assert.equal(truncateToWidth("abc", 0), "");
});
