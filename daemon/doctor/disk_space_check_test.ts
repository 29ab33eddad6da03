import assert from "node:assert/strict";
import { join } from "node:path";
import { diskSpaceCheck, type DiskSpaceLimits } from "./disk_space_check.ts";

Deno.test("diskSpaceCheck() warns before there is too little room, and fails when there is", async () => {
  const folder = await Deno.makeTempDir({ prefix: "palyrad-doctor-" });
  const outcome = async (limits: DiskSpaceLimits, at = folder) => (await diskSpaceCheck(at, limits).examine()).outcome;
  const much = Number.MAX_SAFE_INTEGER;
  try {
    assert.equal(await outcome({ leastBytes: 0, enoughBytes: 0 }), "ok");
    assert.equal(await outcome({ leastBytes: 0, enoughBytes: much }), "warning");
    assert.equal(await outcome({ leastBytes: much, enoughBytes: much }), "failed");
    assert.equal(await outcome({}, join(folder, "none")), "skipped");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
