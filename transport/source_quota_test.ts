import assert from "node:assert/strict";
import { SourceQuota } from "./source_quota.ts";

Deno.test("SourceQuota.take() holds the bound of each source and of all together", () => {
  const quota = new SourceQuota(3, 2);
  assert.deepEqual(["a", "a", "a", "b", "b", "c"].map((source) => quota.take(source)), [
    true,
    true,
    false,
    true,
    false,
    false,
  ]);
  quota.giveBack("a");
  assert.deepEqual(["c", "a"].map((source) => quota.take(source)), [true, false]);
});

Deno.test("SourceQuota.giveBack() does nothing for a source that holds nothing", () => {
  const quota = new SourceQuota(1, 1);
  quota.giveBack("a");
  assert.equal(quota.take("b"), true);
  quota.giveBack("a");
  assert.equal(quota.take("c"), false);
});
