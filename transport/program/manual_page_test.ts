import assert from "node:assert/strict";
import * as v from "valibot";
import { newCommand } from "./cli_command.ts";
import { outlineCommand } from "./command_outline.ts";
import { type Manual, manualPage } from "./manual_page.ts";
import { defineSettings } from "./setting.ts";

const { settings } = defineSettings({
  "listen.port": {
    schema: v.number(),
    default: 7444,
    env: "EXAMPLE_PORT",
    flag: "--port",
    description: "Where it listens",
  },
  "log.level": {
    schema: v.picklist(["debug", "info"]),
    default: "info",
    env: "EXAMPLE_LOG_LEVEL",
    flag: "--log-level",
    description: "How much is logged",
  },
  "quic": { schema: v.boolean(), default: true, flag: "--no-quic", description: "Whether it speaks QUIC" },
  "domain": { schema: v.string(), default: "home", env: "EXAMPLE_DOMAIN", description: "Whose it is" },
}, {});

const MANUAL: Manual = {
  settings,
  files: [["STATE/example.toml", "The configuration."]],
  variables: [["NO_COLOR", "Set to anything, it keeps colours off."]],
};

function example() {
  const run = newCommand("run", "Run it.", [{ command: "example run", explanation: "until Ctrl-C" }]);
  run
    .argument("<what>", "what to run")
    .argument("[more...]", "and what else")
    .option("--port <port>", "where to listen")
    .option("--log-level <level>", "how much to log")
    .option("--no-quic", "without QUIC")
    .option("--limit <count>", "at most so many", "20")
    .option("--config <file>", "configuration file (EXAMPLE_CONFIG; default example.toml)");
  return outlineCommand(newCommand("example", "An example.").addCommand(run), settings);
}

Deno.test("manualPage() explains a command with its defaults, variables, files and exit codes", () => {
  const run = example().commands[0];
  assert.ok(run);
  const page = manualPage(run, MANUAL, { width: 80 }).join("\n");
  assert.match(page, /^NAME\n {2}example run - Run it\.\n\nUSAGE\n {2}example run \[options\] <what> \[more\.\.\.\]\n/);
  assert.match(page, /\nARGUMENTS\n {2}<what>\n {6}What to run\.\n {2}\[more\.\.\.\]\n {6}And what else\.\n/);
  assert.match(
    page,
    /--port <port>\n {6}Where to listen\. Default: 7444\. Variable: EXAMPLE_PORT\. In palyra\.toml:\n {6}listen\.port\.\n/,
  );
  assert.match(page, /--log-level <level>\n {6}How much to log\. One of debug, info\. Default: info\. Variable:/);
  // What is said already is not said again, and a negated option has no default.
  assert.match(page, /--no-quic\n {6}Without QUIC\. In palyra\.toml: quic\.\n/);
  assert.match(page, /--limit <count>\n {6}At most so many\. Default: 20\.\n/);
  assert.match(page, /--config <file>\n {6}Configuration file \(EXAMPLE_CONFIG; default example\.toml\)\.\n/);
  assert.match(page, /\nEXAMPLES\n {2}example run\n {4}until Ctrl-C\n/);
  assert.match(page, /\nENVIRONMENT\n {2}EXAMPLE_PORT\n {6}As --port\.\n {2}EXAMPLE_LOG_LEVEL\n {6}As --log-level\.\n/);
  assert.match(page, /\nFILES\n {2}STATE\/example\.toml\n {6}The configuration\.\n/);
  assert.match(page, /\nEXIT CODES\n {2}0 {2}everything asked for was done\n/);
});

Deno.test("manualPage() lists commands and every variable on the program's own page", () => {
  const page = manualPage(example(), MANUAL, { width: 80 }).join("\n");
  assert.match(page, /\nCOMMANDS\n {2}run\n {6}Run it\.\n/);
  assert.match(page, /\n {2}NO_COLOR\n/);
  assert.match(page, /\n {2}EXAMPLE_DOMAIN\n {6}Whose it is\. In palyra\.toml: domain\.\n/);
  assert.doesNotMatch(page, /ARGUMENTS|EXAMPLES/);
});

Deno.test("manualPage() keeps to the width, down to one that can be read", () => {
  const run = example().commands[0];
  assert.ok(run);
  const widest = (width: number) => Math.max(...manualPage(run, MANUAL, { width }).map((line) => line.length));
  assert.ok(widest(60) <= 60);
  assert.ok(widest(500) <= 100);
  assert.deepEqual(manualPage(run, MANUAL, { width: 1 }), manualPage(run, MANUAL, { width: 40 }));
});
