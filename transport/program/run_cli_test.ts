import assert from "node:assert/strict";
import { testdataArguments, testdataProgram } from "./testdata_program.ts";
import { PROJECT_VERSION } from "./version.ts";

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function example(...args: string[]): Promise<Outcome> {
  const { code, stdout, stderr } = await testdataProgram("example_cli.ts", args, { env: { NO_COLOR: "1" } }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

Deno.test("runCli() ends with 0 after what went well, though a timer is left", async () => {
  assert.deepEqual(await example("show", "3"), { code: 0, stdout: "count 3\n", stderr: "" });
  assert.deepEqual(await example("hang"), { code: 0, stdout: "", stderr: "" });
});

Deno.test("runCli() ends with 0 after help and version, on standard output", async () => {
  const help = await example("show", "--help");
  assert.deepEqual([help.code, help.stderr], [0, ""]);
  assert.match(help.stdout, /^Usage: example show \[options\] <count>\n/);
  assert.match(help.stdout, /\nExamples:\n {2}example show 3 {2}show three of them\n$/);
  const version = await example("--version");
  assert.deepEqual([version.code, version.stderr], [0, ""]);
  assert.ok(version.stdout.startsWith(`example ${PROJECT_VERSION} (`));
});

Deno.test("runCli() ends with 2 after a wrong command line, and suggests what was meant", async () => {
  const expected: readonly [readonly string[], RegExp][] = [
    [["shw"], /^error: Unknown command 'shw'\. Did you mean show\? .*--help.* \[invalid_argument\]\n$/],
    [["show", "3", "--jsno"], /^error: Unknown option '--jsno'\. Did you mean --json\? /],
    [["show"], /^error: Missing required argument 'count'\. /],
    [["show", "3", "4"], /^error: Too many arguments for 'show'\. /],
    [["show", "3", "--colour"], /^error: Option '--colour <name>' argument missing\. /],
    [[], /^Usage: example .*\nerror: A command is missing\. /s],
  ];
  const outcomes = await Promise.all(expected.map(([args]) => example(...args)));
  expected.forEach(([args, message], index) => {
    const outcome = outcomes[index];
    assert.ok(outcome);
    assert.deepEqual([outcome.code, outcome.stdout], [2, ""], args.join(" "));
    assert.match(outcome.stderr, message);
  });
});

Deno.test("runCli() reports failures as one JSON document when the command line asks for JSON", async () => {
  const known = await example("fail", "known", "--json");
  assert.deepEqual([known.code, known.stdout], [8, ""]);
  assert.equal(
    known.stderr,
    '{"version":1,"error":{"code":"device_not_found","kind":"not_found",' +
      '"message":"There is no such device: see `devices list`."}}\n',
  );
  for (const args of [["--json"], ["shw", "--json"], ["show", "--json"]]) {
    // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
    const outcome = await example(...args);
    assert.equal(outcome.code, 2);
    assert.equal(JSON.parse(outcome.stderr).error.kind, "validation");
  }
});

Deno.test("runCli() takes --json before and after the subcommand, and not behind --", async () => {
  const json = '{"z":"3","a":"10"}\n';
  assert.equal((await example("show", "3", "--json")).stdout, json);
  assert.equal((await example("--json", "show", "3")).stdout, json);
  assert.equal((await example("show", "--", "--json")).stdout, "count --json\n");
});

Deno.test("runCli() reports failures by kind, awaited or not, and names causes only of those that should not be", async () => {
  assert.deepEqual(await example("fail", "known"), {
    code: 8,
    stdout: "",
    stderr: "error: There is no such device: see `devices list`. [device_not_found]\n",
  });
  const unawaited = await example("fail", "unawaited");
  assert.deepEqual([unawaited.code, unawaited.stderr], [4, "error: The queue is full: wait. [queue_full]\n"]);
  const timer = await example("fail", "timer");
  assert.equal(timer.code, 1);
  assert.match(timer.stderr, /^error: .* \[internal\]\n {2}caused by: SyntaxError: .*\n$/);
  const unknown = await example("fail", "unknown");
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /\n {2}caused by: TypeError: inner fault\n {2}caused by: \\u\{1b\}\[2J\n$/);
});

Deno.test("runCli() ends quietly when the reader of standard output goes away", async () => {
  const child = testdataProgram("example_cli.ts", ["flood"], { stdout: "piped", stderr: "piped" }).spawn();
  const reader = child.stdout.getReader();
  assert.ok(!(await reader.read()).done);
  await reader.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assert.deepEqual([code, stderr], [0, ""]);
});

Deno.test("runCli() and newCommand() need no permission of their own", async () => {
  const args = testdataArguments("example_cli.ts", ["show", "--help"], ["--no-prompt"]);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), { args, stdin: "null" }).output();
  assert.deepEqual([code, new TextDecoder().decode(stderr)], [0, ""]);
});
