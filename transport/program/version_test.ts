import assert from "node:assert/strict";
import { testdataProgram } from "./testdata_program.ts";
import { PROJECT_VERSION, projectCommit, versionText } from "./version.ts";

Deno.test("PROJECT_VERSION is the version that deno.json states", async () => {
  const text = await Deno.readTextFile(new URL("../../deno.json", import.meta.url));
  assert.equal(PROJECT_VERSION, JSON.parse(text).version);
  assert.match(PROJECT_VERSION, /^\d+\.\d+\.\d+/);
});

Deno.test("versionText() names the program, its version, its commit and Deno's version", () => {
  const deno = `Deno ${Deno.version.deno}`;
  assert.equal(versionText("palyrad", "abc1234".padEnd(40, "0")), `palyrad ${PROJECT_VERSION} (abc1234, ${deno})`);
  assert.equal(versionText("palyrad", "unknown"), `palyrad ${PROJECT_VERSION} (unknown, ${deno})`);
});

Deno.test("--version prints one line, and with --json on either side one document, without any permission", async () => {
  const run = async (args: readonly string[], ...flags: string[]) => {
    const command = testdataProgram("example_cli.ts", args, { env: { NO_COLOR: "1" } }, flags);
    const { code, stdout, stderr } = await command.output();
    assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
    return new TextDecoder().decode(stdout);
  };
  const [text, before, after, short, unpermitted] = await Promise.all([
    run(["--version"]),
    run(["--json", "--version"]),
    run(["--version", "--json"]),
    run(["-V"]),
    run(["--version"], "--no-prompt"),
  ]);
  assert.equal(text, `${versionText("example")}\n`);
  assert.equal(short, text);
  assert.equal(before, after);
  const document = JSON.parse(after ?? "");
  assert.deepEqual(
    [document.program, document.version, document.commit, document.deno],
    ["example", PROJECT_VERSION, projectCommit() ?? null, Deno.version.deno],
  );
  assert.equal(unpermitted, `example ${PROJECT_VERSION} (unknown, Deno ${Deno.version.deno})\n`);
});
