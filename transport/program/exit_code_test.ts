import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { EXIT_OK, exitCodeOf } from "./exit_code.ts";

Deno.test("exitCodeOf() keeps the original's number for each family of reasons", () => {
  const expected: readonly [ReasonCode, number][] = [
    ["internal", 1],
    ["invalid_config", 2],
    ["certificate_expired", 3],
    ["daemon_unreachable", 4],
    ["queue_full", 4],
    ["deadline_exceeded", 4],
    ["cancelled", 4],
    ["unsupported", 5],
    ["capability_denied", 6],
    ["state_in_use", 7],
    ["device_not_found", 8],
  ];
  for (const [code, exitCode] of expected) assert.equal(exitCodeOf(new PalyraError(code, "x")), exitCode, code);
  assert.equal(EXIT_OK, 0);
});
