/**
 * Runs the tests and closes with the line `N passed, N failed`, which scripts read.
 *
 * Further arguments go to `deno test`: `deno task test daemon/ --filter CapabilityQueue`.
 *
 * @module
 */
const SUMMARY = /\| (\d+) passed[^|]*\| (\d+) failed(?: \| (\d+) ignored)?/;

const run = new Deno.Command(Deno.execPath(), {
  args: [
    "test",
    "--quiet",
    "--no-prompt",
    "-A",
    "--frozen",
    "--parallel",
    "--sanitize-ops",
    "--sanitize-resources",
    ...Deno.args,
  ],
  env: { NO_COLOR: "1" },
  stdin: "null",
  stdout: "piped",
  stderr: "inherit",
}).spawn();

let tail = "";
const decoder = new TextDecoder();
for await (const chunk of run.stdout) {
  await Deno.stdout.write(chunk);
  tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4_096);
}
const { code } = await run.status;
const [, passed, failed, ignored] = tail.split("\n").findLast((line) => SUMMARY.test(line))?.match(SUMMARY) ?? [];
const write = (line: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
if (passed === undefined) {
  write("No test ran: the output above says why.");
  write("0 passed, 1 failed");
  Deno.exit(code || 1);
}
write(`${passed} passed, ${failed} failed${ignored === undefined ? "" : `, ${ignored} skipped`}`);
// CI installs all that the tests need, so that nothing there is left out in silence.
if (ignored !== undefined && Deno.env.get("PALYRA_TEST_NO_SKIP") === "1") Deno.exit(code || 1);
Deno.exit(code);
