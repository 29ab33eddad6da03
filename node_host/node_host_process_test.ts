import assert from "node:assert/strict";
import { join } from "node:path";
import { unixMs } from "../identity/unix_ms.ts";
import { StateLock } from "../transport/program/state_lock.ts";
import { findNodeHostProcess, removeNodeHostProcess, writeNodeHostProcess } from "./node_host_process.ts";
import { TestFolder } from "./testing/test_folder.ts";

const AT = unixMs(1_790_000_000_000);

async function change(folder: string, changes: Readonly<Record<string, unknown>>): Promise<void> {
  const path = join(folder, "node-host-process.json");
  const stored = JSON.parse(await Deno.readTextFile(path));
  await Deno.writeTextFile(path, JSON.stringify({ ...stored, ...changes }));
}

Deno.test("findNodeHostProcess() finds the process that noted itself, and nothing once it has removed the note", async () => {
  await using folder = await TestFolder.create();
  using _lock = StateLock.acquire(folder.path);
  assert.equal(await findNodeHostProcess(folder.path), undefined);
  await writeNodeHostProcess(folder.path, AT);
  const found = await findNodeHostProcess(folder.path);
  assert.equal(found?.pid, Deno.pid);
  assert.equal(found?.startedAt, AT);
  await removeNodeHostProcess(folder.path);
  await removeNodeHostProcess(folder.path);
  assert.equal(await findNodeHostProcess(folder.path), undefined);
});

Deno.test({
  name: "findNodeHostProcess() is not fooled by another process that got the same pid",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using folder = await TestFolder.create();
    using _lock = StateLock.acquire(folder.path);
    await writeNodeHostProcess(folder.path, AT);
    await change(folder.path, { process_start_time: "1" });
    assert.equal(await findNodeHostProcess(folder.path), undefined);
  },
});

Deno.test({
  name: "findNodeHostProcess() does not take a process that was killed for a running one",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    await using folder = await TestFolder.create();
    const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
    const stat = await Deno.readTextFile(`/proc/${child.pid}/stat`);
    const startTime = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    await writeNodeHostProcess(folder.path, AT);
    await change(folder.path, { pid: child.pid, process_start_time: startTime });
    assert.equal((await findNodeHostProcess(folder.path))?.pid, child.pid);
    child.kill("SIGKILL");
    await child.status;
    assert.equal(await findNodeHostProcess(folder.path), undefined);
  },
});

Deno.test("findNodeHostProcess() goes by the lock where start times are not told", async () => {
  await using folder = await TestFolder.create();
  const lock = StateLock.acquire(folder.path);
  await writeNodeHostProcess(folder.path, AT);
  await change(folder.path, { process_start_time: null });
  assert.equal((await findNodeHostProcess(folder.path))?.pid, Deno.pid);
  lock.release();
  assert.equal(await findNodeHostProcess(folder.path), undefined);
  // Looking has not taken the lock.
  StateLock.acquire(folder.path).release();
});
