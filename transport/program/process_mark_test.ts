import assert from "node:assert/strict";
import { isProcessRunning, ownProcessMark, type ProcessMark } from "./process_mark.ts";
import { StateLock } from "./state_lock.ts";

async function withFolder(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "isProcessRunning() tells this process from another that had its number before",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withFolder((folder) => {
      const mark = ownProcessMark();
      assert.equal(mark.pid, Deno.pid);
      assert.match(mark.startTime ?? "", /^\d+$/);
      assert.ok(isProcessRunning(mark, folder));
      assert.ok(!isProcessRunning({ ...mark, startTime: "1" }, folder));
    });
  },
});

Deno.test({
  name: "isProcessRunning() does not take a process that was killed for a running one",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await withFolder(async (folder) => {
      const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
      const stat = await Deno.readTextFile(`/proc/${child.pid}/stat`);
      const mark: ProcessMark = {
        pid: child.pid,
        startTime: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19],
      };
      assert.ok(isProcessRunning(mark, folder));
      child.kill("SIGKILL");
      await child.status;
      assert.ok(!isProcessRunning(mark, folder));
    });
  },
});

Deno.test("isProcessRunning() goes by the lock and who holds it where start times are not told", async () => {
  await withFolder((folder) => {
    const mark: ProcessMark = { pid: Deno.pid, startTime: undefined };
    assert.ok(!isProcessRunning(mark, folder));
    {
      using _lock = StateLock.acquire(folder);
      assert.ok(isProcessRunning(mark, folder));
      // Held, but by another process than the one that was noted: that one is gone.
      assert.ok(!isProcessRunning({ ...mark, pid: Deno.pid + 1 }, folder));
    }
    assert.ok(!isProcessRunning(mark, folder));
    // Looking has not taken the lock.
    StateLock.acquire(folder).release();
  });
});
