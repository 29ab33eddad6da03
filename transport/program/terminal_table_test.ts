import assert from "node:assert/strict";
import fc from "fast-check";
import { displayWidth } from "./display_width.ts";
import { tableLines } from "./terminal_table.ts";

Deno.test("tableLines() aligns columns by what terminals draw", () => {
  const lines = tableLines({
    columns: [{ title: "NAME" }, { title: "QUEUED", align: "right" }, { title: "STATE" }],
    rows: [["laptop", "3", "connected"], ["書斎の箱", "1200", "offline"], ["x"]],
  });
  assert.deepEqual(lines, [
    "NAME      QUEUED  STATE",
    "laptop         3  connected",
    "書斎の箱    1200  offline",
    "x",
  ]);
});

Deno.test("tableLines() cuts the widest column first when the terminal is narrow", () => {
  const lines = tableLines({
    columns: [{ title: "ID" }, { title: "NAME" }],
    rows: [["0123456789", "a name that is far too long for it"]],
    width: 28,
  });
  assert.deepEqual(lines, ["ID          NAME", "0123456789  a name that is …"]);
});

Deno.test("tableLines() omits the heading when no column has a title", () => {
  assert.deepEqual(tableLines({ columns: [{ title: "" }, { title: "" }], rows: [["device", "x"], ["id", "y"]] }), [
    "device  x",
    "id      y",
  ]);
});

Deno.test("tableLines() paints what is shown, decides by the whole cell, and keeps the alignment", () => {
  const lines = tableLines({
    columns: [{ title: "STATE", paint: (shown, cell) => cell === "offline" ? `<${shown}>` : shown }, { title: "N" }],
    rows: [["offline", "1"], ["on", "2"]],
    paintTitle: (title) => `*${title}*`,
  });
  assert.deepEqual(lines, ["*STATE*    *N*", "<offline>  1", "on       2"]);
});

Deno.test("tableLines() makes control characters of a peer's name visible", () => {
  assert.deepEqual(tableLines({ columns: [{ title: "" }], rows: [["a\x1b[2Jb\nc"]] }), ["a\\u{1b}[2Jb\\nc"]);
});

Deno.test("tableLines() never exceeds a width that leaves each column six cells", () => {
  const cell = fc.string({ unit: "grapheme", maxLength: 40 });
  fc.assert(
    fc.property(fc.array(fc.array(cell, { maxLength: 3 })), fc.integer({ min: 22, max: 100 }), (rows, width) => {
      const lines = tableLines({ columns: [{ title: "A" }, { title: "B" }, { title: "C" }], rows, width });
      assert.equal(lines.length, rows.length + 1);
      for (const line of lines) assert.ok(displayWidth(line) <= width, line);
    }),
  );
});
