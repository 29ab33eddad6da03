import assert from "node:assert/strict";
import { isInBackground } from "./own_terminal.ts";

Deno.test("isInBackground() compares the process group with the one that the terminal listens to", () => {
  const stat = (name: string, group: number, terminalGroup: number) =>
    `4711 (${name}) S 4000 ${group} 3999 34816 ${terminalGroup} 4194304 1 0 0 0`;
  assert.equal(isInBackground(stat("deno", 4711, 4711)), false);
  assert.equal(isInBackground(stat("deno", 4711, 4000)), true);
  assert.equal(isInBackground(stat("de) S 1 2 (no", 4711, 4711)), false);
});
