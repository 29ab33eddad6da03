import assert from "node:assert/strict";
import { shutdownSignal } from "./shutdown_signals.ts";
import { testdataProgram } from "./testdata_program.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

/** Starts the program, sends each signal when the line before it has come, and returns how it ended. */
async function send(mode: string, signals: readonly Deno.Signal[]): Promise<[Deno.CommandStatus, string]> {
  const child = testdataProgram("await_shutdown.ts", [mode], { stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream());
  let output = "";
  let sent = 0;
  for await (const text of lines) {
    output += text;
    while (sent < signals.length && output.split("\n").length - 1 > sent) child.kill(signals[sent++]);
  }
  return [await child.status, output];
}

Deno.test("shutdownSignal() asks for a graceful end at the first signal", onUnix, async () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
    const [status, output] = await send("graceful", [signal]);
    assert.deepEqual([status.code, status.signal, output], [0, null, "ready\nstopping: cancelled\n"]);
  }
});

Deno.test("shutdownSignal() exits at once at the second signal, of either kind", onUnix, async () => {
  const [byTerm, output] = await send("stay", ["SIGINT", "SIGTERM"]);
  assert.deepEqual([byTerm.code, byTerm.signal, output], [143, null, "ready\nstopping: cancelled\n"]);
  const [byCtrlC] = await send("stay", ["SIGTERM", "SIGINT"]);
  assert.deepEqual([byCtrlC.code, byCtrlC.signal], [130, null]);
});

Deno.test("shutdownSignal() takes the echo of a Ctrl-C for the same request", onUnix, async () => {
  const child = testdataProgram("await_shutdown.ts", ["stay"], { stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  await lines.read();
  child.kill("SIGINT");
  await lines.read();
  child.kill("SIGINT");
  // Long enough for a program that takes the echo for a second request to be gone, with 130.
  await new Promise((resolve) => setTimeout(resolve, 150));
  child.kill("SIGTERM");
  const { code } = await child.status;
  await lines.cancel();
  assert.equal(code, 143);
});

Deno.test("shutdownSignal() leaves signals to the system once disposed", onUnix, async () => {
  const [status, output] = await send("dispose", ["SIGTERM"]);
  assert.deepEqual([status.signal, output], ["SIGTERM", "ready\n"]);
});

Deno.test("shutdownSignal() leaves no listener behind when disposed twice", () => {
  const shutdown = shutdownSignal();
  shutdown.dispose();
  shutdown[Symbol.dispose]();
  assert.ok(!shutdown.signal.aborted);
});
