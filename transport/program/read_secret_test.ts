import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { testdataArguments, testdataProgram } from "./testdata_program.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function piped(input: string, times = "1"): Promise<Outcome> {
  const child = testdataProgram("ask_secret.ts", [times], {
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  // A program that has seen enough closes its end.
  await writer.write(new TextEncoder().encode(input)).catch(() => {});
  await writer.close().catch(() => {});
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("readSecret() takes one line of a pipe and leaves the rest to the next reader", async () => {
  assert.deepEqual(await piped("482915\n"), { code: 0, stdout: "got 6 characters, the last one 5\n", stderr: "" });
  assert.equal(
    (await piped("482915\r\n12\n", "2")).stdout,
    [
      "got 6 characters, the last one 5",
      "got 2 characters, the last one 2",
      "",
    ].join("\n"),
  );
  assert.equal((await piped("482915")).stdout, "got 6 characters, the last one 5\n");
});

Deno.test("readSecret() refuses nothing, and more than 64 characters, without repeating them", async () => {
  for (const input of ["", "\n"]) {
    // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
    const { code, stderr } = await piped(input);
    assert.equal(code, 2);
    assert.match(stderr, /No PIN was given/);
  }
  assert.equal((await piped(`${"ž".repeat(64)}\n`)).stdout, "got 64 characters, the last one ž\n");
  const long = await piped(`${"7".repeat(1_000_000)}\n`);
  assert.deepEqual([long.code, long.stdout], [2, ""]);
  assert.match(long.stderr, /longer than 64 characters/);
  assert.ok(!long.stderr.includes("777"));
});

// util-linux's script(1) gives the program a terminal of its own.
const withTerminal = { ignore: Deno.build.os !== "linux" || !existsSync("/usr/bin/script") };

/** Runs the program on a terminal, answers its prompt, and returns all that the terminal showed, its settings after included. */
async function onTerminal(answer: (type: (keys: string) => Promise<void>, pid: number) => unknown): Promise<string> {
  const program = [Deno.execPath(), ...testdataArguments("ask_secret.ts")].map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("/usr/bin/script", {
    args: ["--quiet", "--flush", "--command", `${program}; echo "rc $?."`, "/dev/null"],
    stdin: "piped",
    stdout: "piped",
    env: { NO_COLOR: "1", SHELL: "/bin/sh" },
  }).spawn();
  const input = child.stdin.getWriter();
  const type = (keys: string) => input.write(new TextEncoder().encode(keys));
  let output = "";
  let answered = false;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += text;
    if (answered || !output.includes("PIN: ")) continue;
    answered = true;
    await answer(type, Number(/pid (\d+)\./.exec(output)?.[1]));
  }
  // The terminal's program may have gone before it read everything.
  await input.close().catch(() => {});
  await child.status;
  return output;
}

function assertRestored(output: string): void {
  for (const flag of ["echo", "icanon", "isig", "icrnl"]) assert.match(output, new RegExp(`\\s${flag}\\s`), flag);
}

Deno.test("readSecret() shows nothing of what is typed on a terminal, and restores it", withTerminal, async () => {
  const output = await onTerminal((type) => type("48\x7f8291\x1b[A5\r"));
  assert.match(output, /PIN: \r\ngot 6 characters, the last one 5\r\n.*rc 0\./s);
  assertRestored(output);
});

Deno.test("readSecret() ends with cancelled on Ctrl-C, and restores the terminal", withTerminal, async () => {
  const output = await onTerminal((type) => type("48\x03"));
  assert.match(output, /PIN: \r\n.*error: Asking for the PIN was cancelled\. \[cancelled\]\r\nrc 4\./s);
  assertRestored(output);
});

Deno.test("readSecret() ends with cancelled on a signal to stop, and restores the terminal", withTerminal, async () => {
  const output = await onTerminal((_, pid) => Deno.kill(pid, "SIGTERM"));
  assert.match(output, /PIN: \r\n.*error: Asking for the PIN was cancelled\. \[cancelled\]\r\nrc 4\./s);
  assertRestored(output);
});
