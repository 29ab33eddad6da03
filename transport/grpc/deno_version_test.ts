import assert from "node:assert/strict";
import { PalyraError } from "../../identity/palyra_error.ts";
import { assertTestedRuntime } from "./deno_version.ts";

Deno.test("assertTestedRuntime() accepts the Deno this suite runs on", () => {
  assertTestedRuntime();
});

Deno.test("assertTestedRuntime() names the tested version and how to get it when the version is another", () => {
  for (const version of ["2.9.3", "2.7.11", "2.9.7", "2.9.60", "3.0.0", ""]) {
    assert.throws(() => assertTestedRuntime(version), (error) => {
      assert.ok(error instanceof PalyraError);
      assert.equal(error.code, "runtime_unsupported");
      assert.match(error.message, /npx -y deno@2\.9\.6/);
      assert.ok(error.message.includes(`Deno ${version}`));
      return true;
    });
  }
});
