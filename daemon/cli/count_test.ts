import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { parseCount } from "./count.ts";

Deno.test("parseCount() reads a whole number within its bounds", () => {
  assert.deepEqual(["1", "20", "500"].map((text) => parseCount(text, "--limit", 500)), [1, 20, 500]);
  assert.equal(parseCount("0", "--after", 500, 0), 0);
});

Deno.test("parseCount() names the option and the bounds when it cannot", () => {
  for (const text of ["banana", "", "0", "-1", "501", "1.5", "1e2", " 7", "20 nodes", "9".repeat(400)]) {
    assert.throws(
      () => parseCount(text, "--limit", 500),
      (thrown) =>
        thrown instanceof PalyraError && thrown.code === "invalid_argument" &&
        thrown.message === "--limit is a whole number from 1 to 500.",
      text,
    );
  }
});
