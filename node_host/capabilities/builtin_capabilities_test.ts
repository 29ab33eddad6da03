import assert from "node:assert/strict";
import { builtinCapabilities } from "./builtin_capabilities.ts";

Deno.test("builtinCapabilities() lists the five of the design with their mediation and idempotence", () => {
  const table = builtinCapabilities().map(({ name, mediation, idempotent }) => [name, mediation, idempotent]);
  assert.deepEqual(table, [
    ["echo", false, true],
    ["system.health", false, true],
    ["system.identity", false, true],
    ["desktop.open_url", true, false],
    ["desktop.open_path", true, false],
  ]);
});
