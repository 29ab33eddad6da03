import assert from "node:assert/strict";
import { join } from "node:path";
import { StateLock } from "./state_lock.ts";
import { testdataProgram } from "./testdata_program.ts";

async function withFolder(body: (folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A process that holds the lock until it is killed; resolves once it has it. */
async function holder(folder: string): Promise<Deno.ChildProcess> {
  const child = testdataProgram("hold_lock.ts", [folder], { stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "locked\n");
  await reader.cancel();
  return child;
}

Deno.test("StateLock.acquire() refuses a second one on the same folder, within one process too", async () => {
  await withFolder((folder) => {
    {
      using _lock = StateLock.acquire(folder);
      assert.throws(() => StateLock.acquire(folder), {
        code: "state_in_use",
        message: new RegExp(`in use by the process ${Deno.pid}: `),
      });
    }
    const again = StateLock.acquire(folder);
    again.release();
    again.release();
  });
});

Deno.test("StateLock.acquire() names the process that holds the lock, and gets it when that one was killed", async () => {
  await withFolder(async (folder) => {
    const child = await holder(folder);
    assert.throws(() => StateLock.acquire(folder), {
      code: "state_in_use",
      message: new RegExp(`in use by the process ${child.pid}: `),
    });
    child.kill("SIGKILL");
    await child.status;
    assert.equal(await Deno.readTextFile(join(folder, "state.pid")), `${child.pid}\n`);
    StateLock.acquire(folder).release();
  });
});

Deno.test("StateLock.acquire() does without the holder's name when the pid file is damaged", async () => {
  await withFolder((folder) => {
    using _lock = StateLock.acquire(folder);
    Deno.writeTextFileSync(join(folder, "state.pid"), "-1; rm");
    assert.throws(() => StateLock.acquire(folder), { code: "state_in_use", message: /in use by another process/ });
  });
});

Deno.test("StateLock keeps its files to their owner", { ignore: Deno.build.os === "windows" }, async () => {
  await withFolder((folder) => {
    using _lock = StateLock.acquire(folder);
    for (const name of ["state.lock", "state.pid"]) {
      assert.equal((Deno.statSync(join(folder, name)).mode ?? 0) & 0o777, 0o600, name);
    }
  });
});
