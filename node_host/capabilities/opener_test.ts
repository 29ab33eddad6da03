import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PalyraError } from "../../identity/palyra_error.ts";
import { openerArguments, openerCommand, SystemOpener } from "./opener.ts";
import { StandInOpener } from "./testdata/stand_in_opener.ts";

const NOT_ABORTED = new AbortController().signal;
const URL_TO_OPEN = "https://example.com/?a=1&b=$(touch%20x);`id`#'\"";

Deno.test("SystemOpener.open() hands the target over as one argument, without a shell", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  await opener.open(URL_TO_OPEN, NOT_ABORTED);
  await opener.open("/srv/a b;touch c", NOT_ABORTED);
  assert.deepEqual(await standIn.opened(), [`1:${URL_TO_OPEN}`, "1:/srv/a b;touch c"]);
});

Deno.test("SystemOpener.open() refuses what no capability may hand over", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  const targets = ["", "-a", "--help", "file:///etc/passwd", "javascript:1", "relative", "//server/x", "\\\\server\\x"];
  targets.push("https://a/\n", "/a\u0000b", "/a\u001b", "xhttps://a/", " /a");
  await Promise.all(
    targets.map((target) =>
      assert.rejects(opener.open(target, NOT_ABORTED), { code: "invalid_input" }, JSON.stringify(target))
    ),
  );
  assert.deepEqual(await standIn.opened(), []);
});

Deno.test("SystemOpener.open() tells a failed opener by its exit code", async () => {
  await using standIn = await StandInOpener.create("exit 3");
  const opener = new SystemOpener({ command: standIn.command });
  await assert.rejects(opener.open(URL_TO_OPEN, NOT_ABORTED), {
    code: "execution_failed",
    message: /exit code 3: it found no program/,
  });
});

Deno.test("SystemOpener tells that the opener is not there, before and at the opening", async () => {
  await using standIn = await StandInOpener.create();
  assert.equal(await new SystemOpener({ command: standIn.command }).obstacle(), undefined);
  const missing = new SystemOpener({ command: join(standIn.folder, "missing") });
  assert.match(await missing.obstacle() ?? "", /missing is not on this node; install it/);
  await assert.rejects(missing.open(URL_TO_OPEN, NOT_ABORTED), { code: "capability_unavailable" });
});

Deno.test("SystemOpener refuses a command that would be looked up in PATH", () => {
  assert.throws(() => new SystemOpener({ command: "xdg-open" }), { code: "invalid_config" });
  assert.throws(() => new SystemOpener({ command: "./xdg-open" }), { code: "invalid_config" });
});

Deno.test("SystemOpener.open() starts nothing when it is cancelled already", async () => {
  await using standIn = await StandInOpener.create();
  const opener = new SystemOpener({ command: standIn.command });
  const reason = new PalyraError("deadline_exceeded", "over");
  await assert.rejects(opener.open(URL_TO_OPEN, AbortSignal.abort(reason)), { code: "deadline_exceeded" });
  assert.deepEqual(await standIn.opened(), []);
});

// The stand-in opens a FIFO for writing once it waits: reading from it tells that it does.
async function waitingStandIn(onTerm: string): Promise<{ standIn: StandInOpener; waits: () => Promise<string> }> {
  const standIn = await StandInOpener.create(`
    trap '${onTerm}' TERM
    echo waiting > "\${0%/*}/fifo"
    while :; do sleep 0.02; done
  `);
  const fifo = join(standIn.folder, "fifo");
  const { success } = await new Deno.Command("mkfifo", { args: [fifo] }).output();
  assert.ok(success);
  return { standIn, waits: () => Deno.readTextFile(fifo) };
}

Deno.test("SystemOpener.open() ends the opener with TERM when it is cancelled", async () => {
  const { standIn, waits } = await waitingStandIn('echo 0:term >> "${0%/*}/opened"; exit 0');
  await using _ = standIn;
  const opener = new SystemOpener({ command: standIn.command });
  const canceller = new AbortController();
  const opened = opener.open(URL_TO_OPEN, canceller.signal);
  assert.equal(await waits(), "waiting\n");
  canceller.abort();
  await assert.rejects(opened, { code: "cancelled" });
  assert.deepEqual(await standIn.opened(), [`1:${URL_TO_OPEN}`, "0:term"]);
});

Deno.test("SystemOpener.open() ends an opener that ignores TERM with KILL", async () => {
  const { standIn, waits } = await waitingStandIn(":");
  await using _ = standIn;
  const opener = new SystemOpener({ command: standIn.command, killAfterMs: 1 });
  const canceller = new AbortController();
  const opened = opener.open(URL_TO_OPEN, canceller.signal);
  assert.equal(await waits(), "waiting\n");
  canceller.abort();
  await assert.rejects(opened, { code: "cancelled" });
});

Deno.test("SystemOpener.open() takes an opener that goes on running as opened, and does not hold the process", async () => {
  await using standIn = await StandInOpener.create(`read -r _ < "\${0%/*}/fifo"`);
  const fifo = join(standIn.folder, "fifo");
  assert.ok((await new Deno.Command("mkfifo", { args: [fifo] }).output()).success);
  const probe = fileURLToPath(import.meta.resolve("./testdata/settled_opener_probe.ts"));
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", `--allow-run=${standIn.command}`, probe, standIn.command],
  }).output();
  assert.equal(new TextDecoder().decode(stderr), "");
  assert.equal(new TextDecoder().decode(stdout), "settled");
  assert.equal(code, 0);
  // Only an opener that is still alive reads this; without one the write would not return.
  await Deno.writeTextFile(fifo, "go", { create: false });
});

Deno.test("openerArguments() gives each platform one argument that nothing interprets", () => {
  const url = "https://example.com/a,b?c=%20&d";
  assert.deepEqual(openerArguments("linux", url), [url]);
  assert.deepEqual(openerArguments("darwin", "/Users/a b"), ["/Users/a b"]);
  assert.deepEqual(openerArguments("windows", url), ["url.dll,FileProtocolHandler", url]);
  assert.deepEqual(openerArguments("windows", "C:\\a b\\c#%.txt"), [
    "url.dll,FileProtocolHandler",
    "file:///C:/a%20b/c%23%25.txt",
  ]);
});

Deno.test("openerCommand() is an absolute path on each platform", () => {
  assert.equal(openerCommand("linux"), "/usr/bin/xdg-open");
  assert.equal(openerCommand("darwin"), "/usr/bin/open");
  assert.equal(openerCommand("windows"), "C:\\Windows\\System32\\rundll32.exe");
});
