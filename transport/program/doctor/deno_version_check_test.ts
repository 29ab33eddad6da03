import assert from "node:assert/strict";
import { denoVersionCheck } from "./deno_version_check.ts";

Deno.test("denoVersionCheck() names the Deno that fits, on one that does not", async () => {
  assert.equal((await denoVersionCheck("2.9.6").examine()).outcome, "ok");
  const other = await denoVersionCheck("2.7.11").examine();
  assert.ok(other.outcome === "failed" && other.code === "runtime_unsupported", JSON.stringify(other));
  assert.match(other.seen, /2\.7\.11/);
  assert.match(other.cure, /deno@2\.9\.6/);
});
