import assert from "node:assert/strict";
import { join } from "node:path";
import { runTool } from "./run_tool.ts";
import { type ArchiveFile, tarArchive } from "./tar_archive.ts";

const SECONDS = 1_700_000_000;
const bytes = (text: string) => new TextEncoder().encode(text);
const FILES: readonly ArchiveFile[] = [
  { path: "folder/second.txt", bytes: bytes("two") },
  { path: "folder/empty", bytes: bytes("") },
  { path: "folder/first", bytes: bytes("x".repeat(1_025)), executable: true },
  { path: `folder/${"long/".repeat(20)}${"name".repeat(20)}`, bytes: bytes("deep") },
];

Deno.test("tarArchive() makes what tar unpacks, with modes and times", async () => {
  const folder = await Deno.makeTempDir({ prefix: "palyra-" });
  try {
    await Deno.writeFile(join(folder, "a.tar"), tarArchive(FILES, SECONDS));
    await runTool("tar", ["-xf", "a.tar"], { cwd: folder });
    for (const { path, bytes, executable = false } of FILES) {
      // deno-lint-ignore no-await-in-loop -- four small files
      assert.deepEqual(await Deno.readFile(join(folder, path)), bytes);
      // deno-lint-ignore no-await-in-loop -- four small files
      const { mode, mtime } = await Deno.stat(join(folder, path));
      assert.equal((mode ?? 0) & 0o100, executable ? 0o100 : 0);
      assert.equal(mtime?.getTime(), SECONDS * 1_000);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("tarArchive() gives the same bytes in whatever order the files come", () => {
  assert.deepEqual(tarArchive(FILES, SECONDS), tarArchive(FILES.toReversed(), SECONDS));
});

Deno.test("tarArchive() refuses a path that its format has no room for", () => {
  assert.throws(() => tarArchive([{ path: "x".repeat(101), bytes: bytes("") }], SECONDS), { code: "execution_failed" });
});
