import assert from "node:assert/strict";
import { commandText, firstLine, systemRunner } from "./command_runner.ts";

Deno.test("systemRunner hands arguments over untouched and tells how the command ended", async () => {
  const script = 'printf "%s|" "$@"; echo oops >&2; exit 3';
  const args = ["-c", script, "sh", "a b", "$HOME", "'"];
  assert.deepEqual(await systemRunner.run({ command: "sh", args }), {
    code: 3,
    stdout: "a b|$HOME|'|",
    stderr: "oops\n",
  });
});

Deno.test("systemRunner says what to do where there is no such command", async () => {
  await assert.rejects(systemRunner.run({ command: "palyra-no-such-command", args: [] }), {
    code: "service_manager_unavailable",
    message: /no palyra-no-such-command/,
  });
});

Deno.test("commandText() can be pasted into a shell", async () => {
  const words = ["echo", "plain/path.service", "a b", "$HOME", "it's", 'say "hi"', "", "*"];
  const text = commandText({ command: "printf", args: ["%s\\n", ...words] });
  const { stdout } = await systemRunner.run({ command: "sh", args: ["-c", text] });
  assert.deepEqual(stdout.trimEnd().split("\n"), words);
});

Deno.test("firstLine() is one printable line of bounded length", () => {
  assert.equal(firstLine("Failed to connect to bus\nmore\n"), "Failed to connect to bus");
  assert.equal(firstLine("\u001b[31mred"), "\\u{1b}[31mred");
  assert.equal(firstLine(" \n"), "it said nothing");
  assert.equal(firstLine("x".repeat(9_999)).length, 200);
});
