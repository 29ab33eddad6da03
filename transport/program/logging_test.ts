import assert from "node:assert/strict";
import { getLogger, resetSync } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { configureLogging, type LoggingOptions } from "./logging.ts";
import { testdataProgram } from "./testdata_program.ts";

class Recorder {
  written = "";
  readonly terminal: boolean;

  constructor(options: { readonly terminal: boolean }) {
    this.terminal = options.terminal;
  }

  isTerminal(): boolean {
    return this.terminal;
  }

  writeSync(bytes: Uint8Array): number {
    this.written += new TextDecoder().decode(bytes);
    return bytes.length;
  }
}

function logged(options: Omit<LoggingOptions, "stream">, on: "terminal" | "pipe", log: () => void): string {
  const stream = new Recorder({ terminal: on === "terminal" });
  configureLogging({ environment: new Map<string, string>(), ...options, stream });
  try {
    log();
  } finally {
    resetSync();
  }
  return stream.written;
}

const logger = getLogger(["palyra", "daemon", "queue"]);

Deno.test("configureLogging() writes JSON off a terminal and coloured lines on one, unless told otherwise", () => {
  const hello = () => logger.info("Queued {id}.", { id: 7 });
  const line = JSON.parse(logged({}, "pipe", hello));
  assert.deepEqual(Object.keys(line), ["time", "level", "category", "message", "id"]);
  assert.deepEqual([line.level, line.category, line.message, line.id], ["info", "palyra.daemon.queue", "Queued 7.", 7]);
  assert.ok(logged({}, "terminal", hello).includes("\x1b[32mINF\x1b[39m "));
  assert.match(logged({ format: "pretty" }, "pipe", hello), /^\S+ INF daemon\.queue Queued 7\. id=7\n$/);
  assert.equal(JSON.parse(logged({ format: "json" }, "terminal", hello)).id, 7);
});

Deno.test("configureLogging() writes from its level on, and stacks only at debug", () => {
  const log = () => {
    logger.debug("detail");
    logger.error("Failed.", { error: new PalyraError("queue_full", "Full.", { cause: new Error("why") }) });
  };
  const atInfo = logged({ level: "info" }, "pipe", log).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(atInfo.length, 1);
  assert.deepEqual(atInfo[0].error, {
    name: "PalyraError",
    code: "queue_full",
    message: "Full.",
    cause: { name: "Error", message: "why" },
  });
  const atDebug = logged({ level: "debug" }, "pipe", log).trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.equal(atDebug.length, 2);
  assert.match(atDebug[1].error.stack, /logging_test\.ts/);
  assert.match(atDebug[1].error.cause.stack, /logging_test\.ts/);
});

Deno.test("configureLogging() replaces what was set up before", () => {
  const first = new Recorder({ terminal: false });
  configureLogging({ stream: first });
  assert.notEqual(logged({}, "pipe", () => logger.info("second")), "");
  assert.equal(first.written, "");
});

Deno.test("configureLogging() loses nothing at exit and survives a closed standard error", async () => {
  const whole = await testdataProgram("write_logs.ts", [], { stderr: "piped" }).output();
  const lines = new TextDecoder().decode(whole.stderr).trimEnd().split("\n");
  assert.equal(lines.length, 2_000);
  assert.equal(JSON.parse(lines.at(-1) ?? "").n, 1_999);
  assert.equal(whole.code, 7);

  const child = testdataProgram("write_logs.ts", ["wait"], { stdin: "piped", stderr: "piped" }).spawn();
  await child.stderr.cancel();
  const input = child.stdin.getWriter();
  await input.write(Uint8Array.of(10));
  await input.close();
  assert.equal((await child.status).code, 7);
});
