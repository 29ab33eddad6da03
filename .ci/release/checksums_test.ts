import assert from "node:assert/strict";
import { join } from "node:path";
import { writeChecksums } from "./checksums.ts";

Deno.test("writeChecksums() covers every file but its own, sorted, also when it is written again", async () => {
  const folder = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await Deno.mkdir(join(folder, "linux-arm64"));
    await Deno.writeTextFile(join(folder, "palyrad"), "abc");
    await Deno.writeTextFile(join(folder, "linux-arm64", "palyrad"), "");
    for (let time = 0; time < 2; time += 1) {
      // deno-lint-ignore no-await-in-loop -- the second time it finds what the first has written
      await writeChecksums(folder);
    }
    // The digests of nothing and of "abc" in FIPS 180-4's examples.
    assert.equal(
      await Deno.readTextFile(join(folder, "SHA256SUMS")),
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  linux-arm64/palyrad\n" +
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  palyrad\n",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
