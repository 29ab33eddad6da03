import assert from "node:assert/strict";
import { BadLineError, type ByteSource, readLines, writeLine } from "./line_stream.ts";

/** A source that gives these pieces, one a read. */
function pieces(...texts: readonly (string | Uint8Array)[]): ByteSource {
  const waiting = texts.map((text) => typeof text === "string" ? new TextEncoder().encode(text) : text);
  return {
    read(bytes) {
      const piece = waiting.shift();
      if (piece === undefined) return Promise.resolve(null);
      bytes.set(piece);
      return Promise.resolve(piece.length);
    },
  };
}

Deno.test("readLines() gives whole lines, however they come", async () => {
  const lines = (...texts: readonly string[]) => Array.fromAsync(readLines(pieces(...texts), 10));
  assert.deepEqual(await lines("a\nb\n", "c", "d\ne"), ["a", "b", "cd"]);
  assert.deepEqual(await lines("\n\nü\n"), ["", "", "ü"]);
  assert.deepEqual(await lines("0123456789\n", "01234", "56789", "\n"), ["0123456789", "0123456789"]);
  assert.deepEqual(await lines(), []);
});

Deno.test("readLines() reads characters that come in two pieces", async () => {
  const bytes = new TextEncoder().encode("ü\n");
  assert.deepEqual(await Array.fromAsync(readLines(pieces(bytes.subarray(0, 1), bytes.subarray(1)), 10)), ["ü"]);
});

Deno.test("readLines() refuses what is too long before its end has come, and what is no UTF-8", async () => {
  const bad = [["01234567890"], ["01234", "567890"], ["01234567890\n"], [Uint8Array.of(0xff, 0x0a)]];
  await Promise.all(bad.map((texts) => assert.rejects(Array.fromAsync(readLines(pieces(...texts), 10)), BadLineError)));
});

Deno.test("writeLine() writes everything, however little is taken at a time", async () => {
  const taken: number[] = [];
  const sink = {
    write(bytes: Uint8Array) {
      taken.push(...bytes.subarray(0, 2));
      return Promise.resolve(Math.min(2, bytes.length));
    },
  };
  await writeLine(sink, "abü");
  assert.equal(new TextDecoder().decode(Uint8Array.from(taken)), "abü\n");
});
