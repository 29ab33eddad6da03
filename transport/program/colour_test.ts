import assert from "node:assert/strict";
import { coloursAllowed, coloursFor } from "./colour.ts";

const terminal = { isTerminal: () => true };
const pipe = { isTerminal: () => false };

Deno.test("coloursAllowed() says no when the stream is no terminal, a dumb one, or NO_COLOR is set", () => {
  assert.ok(coloursAllowed(terminal, new Map<string, string>()));
  assert.ok(coloursAllowed(terminal, new Map([["NO_COLOR", ""]])));
  assert.ok(!coloursAllowed(terminal, new Map([["NO_COLOR", "0"]])));
  assert.ok(!coloursAllowed(terminal, new Map([["TERM", "dumb"]])));
  assert.ok(!coloursAllowed(pipe, new Map<string, string>()));
});

Deno.test("coloursAllowed() says no when the environment may not be read", { permissions: { env: false } }, () => {
  assert.ok(!coloursAllowed(terminal));
});

Deno.test("coloursFor() styles text only where colours are allowed, and never an empty one", () => {
  const styled = coloursFor(terminal, new Map<string, string>());
  assert.equal(styled.red("x"), "\x1b[31mx\x1b[39m");
  assert.equal(styled.bold(""), "");
  assert.equal(coloursFor(pipe, new Map<string, string>()).red("x"), "x");
});
