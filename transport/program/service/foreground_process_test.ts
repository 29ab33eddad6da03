import assert from "node:assert/strict";
import { isProcessRunning, type ProcessMark } from "../process_mark.ts";
import { StateLock } from "../state_lock.ts";
import { testdataProgram } from "../testdata_program.ts";
import { stopProcess } from "./foreground_process.ts";
import { stopProgram } from "./service_programs.ts";

const linux = { ignore: Deno.build.os !== "linux" };

async function markOf(pid: number): Promise<ProcessMark> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  return { pid, startTime: stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] };
}

Deno.test("stopProcess() ends the process and waits until it is gone", linux, async () => {
  const child = new Deno.Command("sleep", { args: ["60"] }).spawn();
  const mark = await markOf(child.pid);
  const ended = child.status;
  await stopProcess(mark, "/nonexistent");
  assert.ok(!isProcessRunning(mark, "/nonexistent"));
  assert.equal((await ended).signal, "SIGTERM");
  await stopProcess(mark, "/nonexistent");
});

Deno.test("stopProcess() leaves alone a process that got the number since then", linux, async () => {
  const stranger = new Deno.Command("sleep", { args: ["60"] }).spawn();
  await stopProcess({ pid: stranger.pid, startTime: "1" }, "/nonexistent");
  assert.ok(isProcessRunning(await markOf(stranger.pid), "/nonexistent"));
  stranger.kill("SIGKILL");
  assert.equal((await stranger.status).signal, "SIGKILL");
});

Deno.test("stopProcess() gives up waiting when it is told to", linux, async () => {
  const script = "trap '' TERM; echo deaf; exec sleep 60";
  const child = new Deno.Command("sh", { args: ["-c", script], stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const controller = new AbortController();
  const stopping = stopProcess(await markOf(child.pid), "/nonexistent", { signal: controller.signal });
  controller.abort();
  await assert.rejects(stopping);
  child.kill("SIGKILL");
  await child.status;
});

/** Has a process that holds the lock on a state folder stopped by a program with these permissions. */
async function stopWith(flags: readonly string[]): Promise<{ code: number; stderr: string; signal: string | null }> {
  const folder = await Deno.makeTempDir();
  const holder = testdataProgram("hold_lock.ts", [folder], { stdout: "piped" }).spawn();
  const reader = holder.stdout.getReader();
  await reader.read();
  await reader.cancel();
  const args = [folder, String(holder.pid)];
  // Without a PATH, as whoever starts a package may have it.
  const options = { clearEnv: true };
  const { code, stderr } = await testdataProgram("stop_process.ts", args, options, ["--no-prompt", ...flags]).output();
  if (code !== 0) holder.kill("SIGKILL");
  const { signal } = await holder.status;
  StateLock.acquire(folder).release();
  await Deno.remove(folder, { recursive: true });
  return { code, stderr: new TextDecoder().decode(stderr), signal };
}

Deno.test("stopProcess() needs no more than leave to start the system's command for it", linux, async () => {
  const { code, stderr, signal } = await stopWith(["--allow-read", `--allow-run=${stopProgram("linux")}`]);
  assert.equal(code, 0, stderr);
  assert.equal(signal, "SIGTERM");
});

Deno.test("stopProcess() says how to stop it by hand when it may start nothing", linux, async () => {
  const { code, stderr, signal } = await stopWith(["--allow-read"]);
  assert.notEqual(code, 0);
  assert.match(stderr, /`kill \d+` stops it/);
  assert.equal(signal, "SIGKILL");
});
