/**
 * Runs the tests and closes with the line `N passed, N failed`, which scripts read.
 *
 * Arguments go to `deno test`, in one process and one file after the other:
 * `deno task test daemon/ --filter CapabilityQueue`.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { testFiles } from "./harness/test_files.ts";

const SUMMARY = /\| (\d+) passed[^|]*\| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/;

/** Runs before each test file. */
const PRELOAD = fileURLToPath(new URL("./harness/closing_channels.ts", import.meta.url));

/** A run that takes longer than this hangs: it is ended, and its output so far tells where, in milliseconds. */
const LONGEST_RUN_MS = 900_000;

interface Counts {
  passed: number;
  failed: number;
  ignored: number;
  /** Exit code of the process. */
  code: number;
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Runs `deno test` and passes its output on: as it comes, or in one piece at its end. */
async function run(args: readonly string[], live: boolean): Promise<Counts> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--quiet",
      "--no-prompt",
      "-A",
      "--frozen",
      "--sanitize-ops",
      "--sanitize-resources",
      `--preload=${PRELOAD}`,
      ...args,
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: live ? "inherit" : "piped",
  }).spawn();
  const limit = setTimeout(() => {
    write(`The tests did not end within ${LONGEST_RUN_MS / 60_000} minutes and are stopped.\n`);
    child.kill("SIGKILL");
  }, LONGEST_RUN_MS);
  let output = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      output += text;
      if (live) write(text);
    }
  };
  await Promise.all([read(child.stdout), ...(live ? [] : [read(child.stderr)])]);
  const { code } = await child.status;
  clearTimeout(limit);
  if (!live) write(output);
  const summary = output.split("\n").findLast((line) => SUMMARY.test(line))?.match(SUMMARY);
  if (summary === undefined || summary === null) {
    write("No test ran: the output above says why.\n");
    return { passed: 0, failed: 1, ignored: 0, code: code || 1 };
  }
  const [, passed, failed, ignored] = summary;
  return { passed: Number(passed), failed: Number(failed), ignored: Number(ignored ?? 0), code };
}

async function runAll(): Promise<Counts[]> {
  const { withAddon, others } = await testFiles(fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, ""));
  return await Promise.all([run(["--parallel", ...others], true), run(withAddon, false)]);
}

const runs = Deno.args.length > 0 ? [await run(Deno.args, true)] : await runAll();
const sum = (pick: (counts: Counts) => number) => runs.reduce((total, counts) => total + pick(counts), 0);
const ignored = sum((counts) => counts.ignored);
const code = runs.find((counts) => counts.code !== 0)?.code ?? 0;
const skipped = ignored === 0 ? "" : `, ${ignored} skipped`;
write(`${sum((counts) => counts.passed)} passed, ${sum((counts) => counts.failed)} failed${skipped}\n`);
// CI installs all that the tests need, so that nothing there is left out in silence.
Deno.exit(code || (ignored > 0 && Deno.env.get("PALYRA_TEST_NO_SKIP") === "1" ? 1 : 0));
