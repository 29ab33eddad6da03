import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { parseDuration } from "./duration.ts";

Deno.test("parseDuration() reads a number with a unit", () => {
  const cases: [string, number][] = [["250ms", 250], ["90s", 90_000], ["1.5h", 5_400_000], ["2d", 172_800_000], [
    " 10m ",
    600_000,
  ]];
  for (const [text, expected] of cases) assert.equal(parseDuration(text, "--ttl"), expected);
});

Deno.test("parseDuration() names the option when it cannot", () => {
  for (const text of ["", "10", "m", "0s", "-5s", "1e3s", "10 minutes"]) {
    assert.throws(
      () => parseDuration(text, "--ttl"),
      (thrown) => thrown instanceof PalyraError && thrown.message.startsWith("--ttl "),
    );
  }
});
