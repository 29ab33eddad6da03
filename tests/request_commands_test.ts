import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Fleet } from "./harness/fleet.ts";
import { RunningProgram, TESTS_BUILT_PROGRAMS } from "./harness/program.ts";

Deno.test("Ctrl-C while waiting leaves the request as it is and says how to go on", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  // It has to have registered once.
  const host = await fleet.connect("laptop");
  await host.stop();

  const invoke = ["nodes", "invoke", "laptop", "echo", "--input-json", '"hi"', "--timeout", "1h", "--wait"];
  const waiting = await RunningProgram.start("palyrad", invoke, { stateRoot: fleet.daemonRoot });
  const { requests: [request] } = await untilListed(fleet, "queued");
  waiting.kill("SIGINT");
  const interrupted = await waiting.ended;
  assert.equal(interrupted.code, 4);
  assert.equal(interrupted.stdout, "");
  assert.match(interrupted.stderr, new RegExp(`palyrad requests watch ${request.request_id}`));
  assert.match(interrupted.stderr, new RegExp(`palyrad requests cancel ${request.request_id}`));
  assert.equal((await fleet.palyrad("requests", "show", request.request_id)).state, "queued");

  const watching = await RunningProgram.start("palyrad", ["requests", "watch", request.request_id], {
    stateRoot: fleet.daemonRoot,
  });
  await watching.line((line) => line === "queued");
  await fleet.connect("laptop");
  const watched = await watching.ended;
  assert.equal(watched.code, 0, watched.stderr);
  assert.equal(watched.stdout.trimEnd().split("\n").at(-1), "succeeded");
});

Deno.test("palyrad requests submit takes every term of a request, and list and show tell them", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  await fleet.pair("laptop");
  await (await fleet.connect("laptop")).stop();

  const file = join(fleet.daemonRoot, "input.json");
  await Deno.writeTextFile(file, `{"n":1}`);
  const terms = ["--priority", "high", "--on-disconnect", "wait", "--idempotency-key", "k", "--ttl", "30m"];
  const submit = ["requests", "submit", "laptop", "echo", "--input-file", file, "--timeout", "2h", ...terms];
  const submitted = await fleet.palyrad(...submit);
  assert.equal((await fleet.palyrad(...submit)).replayed, true);
  const shown = await fleet.palyrad("requests", "show", submitted.request_id);
  assert.deepEqual(
    [shown.state, shown.priority, shown.on_disconnect, shown.idempotency_key, shown.input_summary],
    ["queued", "high", "wait", "k", `{"n":1}`],
  );
  assert.equal(shown.ttl_ends_at_unix_ms - shown.created_at_unix_ms, 30 * 60_000);
  assert.equal(shown.deadline_unix_ms - shown.created_at_unix_ms, 120 * 60_000);
  const table = await fleet.tryPalyrad("requests", "list", "--state", "queued");
  assert.match(table.stdout, new RegExp(`${submitted.request_id} .*queued +high`));
  const plain = await fleet.tryPalyrad("requests", "submit", "laptop", "echo");
  assert.match(plain.stdout, /^[0-9A-Z]{26}\n$/);

  const mistakes: [string, string[]][] = [
    ["A priority is", ["--priority", "urgent"]],
    ["on_disconnect is", ["--on-disconnect", "retry"]],
    ["cannot be longer", ["--ttl", "2h", "--timeout", "1h"]],
    ["a number with a unit", ["--ttl", "soon"]],
  ];
  await Promise.all(mistakes.map(async ([cause, options]) => {
    const { code, stderr } = await fleet.tryPalyrad("requests", "submit", "laptop", "echo", ...options);
    assert.equal(code, 2);
    assert.ok(stderr.includes(cause), stderr);
  }));

  const short = await fleet.palyrad("requests", "submit", "laptop", "echo", "--ttl", "1ms");
  const expired = await fleet.tryPalyrad("requests", "watch", short.request_id);
  assert.match(expired.stdout, /timed_out: .*\[ttl_expired\]\n$/);
});

const hasScript = !TESTS_BUILT_PROGRAMS && Deno.build.os === "linux" &&
  await new Deno.Command("script", { args: ["--version"], stdout: "null", stderr: "null" }).output()
    .then(({ success }) => success, () => false);

Deno.test({
  name: "a terminal shows a line that says how a request stands while it is waited for, and clears it",
  ignore: !hasScript,
  fn: async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    await fleet.pair("laptop");
    await (await fleet.connect("laptop")).stop();
    const main = fileURLToPath(new URL("../daemon/main.ts", import.meta.url));
    const invoke = `${Deno.execPath()} run --quiet --no-prompt -A ${main} nodes invoke laptop echo --input-json 1`;
    const terminal = RunningProgram.spawn(
      new Deno.Command("script", {
        args: ["--quiet", "--return", "--echo", "never", "--command", invoke, "/dev/null"],
        env: { PALYRA_STATE_ROOT: fleet.daemonRoot, TERM: "xterm", NO_COLOR: "1" },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }),
    );
    await untilListed(fleet, "queued");
    await fleet.connect("laptop");
    const { stdout, code } = await terminal.ended;
    const shown = stdout.replaceAll("\u001b", "ESC");
    assert.equal(code, 0, shown);
    assert.match(shown, /\rESC\[K. queued · \d+\.\d s/u);
    assert.match(shown, /ESC\[K\{"echo":1,"device_id":"[0-9A-Z]{26}"\}\r\n$/);
  },
});

/** Asks until a request is in that state: another process asked for it a moment ago. */
// deno-lint-ignore no-explicit-any -- whatever the daemon's JSON holds
async function untilListed(fleet: Fleet, state: string): Promise<any> {
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- until it is there
    const listed = await fleet.palyrad("requests", "list", "--state", state);
    if (listed.requests.length > 0) return listed;
  }
}
