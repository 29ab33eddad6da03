import assert from "node:assert/strict";
import { join } from "node:path";
import * as v from "valibot";
import { newCommand } from "../cli_command.ts";
import { outlineCommand } from "../command_outline.ts";
import { defineSettings } from "../setting.ts";
import { bashCompletions } from "./bash_completions.ts";
import { completionPoints } from "./completion_point.ts";
import { fishCompletions } from "./fish_completions.ts";
import { powershellCompletions } from "./powershell_completions.ts";
import { zshCompletions } from "./zsh_completions.ts";

const PROGRAM = "palyra-example";

const { settings } = defineSettings({
  "log.level": {
    schema: v.picklist(["debug", "info"]),
    default: "info",
    flag: "--log-level",
    description: "How much is logged",
  },
}, {});

/** A command line with one of everything that completions know. */
function examplePoints() {
  const nodes = newCommand("nodes", "The nodes: who's there, and what they do.");
  nodes.addCommand(newCommand("list", "Show the nodes."));
  const invoke = newCommand("invoke", "Have a node do something.");
  invoke.argument("<node>", "which").option("--input <json>", "what it is given").option("-q, --quiet", "say less");
  nodes.addCommand(invoke);
  const run = newCommand("run", "Run it.");
  run.option("--transport <auto|quic|grpc>", "how").option("--log-level <level>", "how much").option(
    "--config <file>",
    "f",
  );
  const shell = newCommand("shell", "Choose a shell.");
  shell.argument("<bash|zsh>", "which");
  const root = newCommand(PROGRAM, "An example.");
  for (const command of [nodes, run, shell]) root.addCommand(command);
  return completionPoints(outlineCommand(root, settings));
}

/** What is typed, the last word unfinished, and what it can become. */
const CASES: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ["", ["nodes", "run", "shell"]],
  ["r", ["run"]],
  ["nodes ", ["list", "invoke"]],
  ["nodes inv", ["invoke"]],
  ["nodes invoke --i", ["--input"]],
  ["nodes invoke laptop --q", ["--quiet"]],
  // The value of an option is no command, whatever it looks like.
  ["nodes invoke --input nodes --q", ["--quiet"]],
  ["run --tr", ["--transport"]],
  ["run --transport ", ["auto", "quic", "grpc"]],
  ["run --transport q", ["quic"]],
  ["run --log-level ", ["debug", "info"]],
  ["run --json --log", ["--log-level"]],
  ["shell ", ["bash", "zsh"]],
  ["nodes invoke --input ", []],
  ["nothing", []],
];

async function withScript(text: string, body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "script");
    await Deno.writeTextFile(path, text);
    await body(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function has(shell: string): Promise<boolean> {
  try {
    return (await new Deno.Command(shell, { args: ["-c", "true"], stdin: "null" }).output()).success;
  } catch {
    return false;
  }
}

async function output(shell: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { TERM: "dumb", HOME: cwd, XDG_CONFIG_HOME: cwd, XDG_DATA_HOME: cwd };
  const { success, stdout, stderr } = await new Deno.Command(shell, { args: [...args], cwd, env, stdin: "null" })
    .output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

const sortedLines = (text: string) => text.split("\n").filter((line) => line !== "").sort();

Deno.test({
  name: "bashCompletions() has bash offer what can come",
  ignore: !await has("bash"),
  fn: async () => {
    await withScript(bashCompletions(PROGRAM, examplePoints()), async (script) => {
      const folder = join(script, "..");
      const complete = async (words: readonly string[]) =>
        sortedLines(
          await output("bash", [
            "--norc",
            "-c",
            'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _palyra_example; printf "%s\\n" "${COMPREPLY[@]}"',
            "bash",
            script,
            ...words,
          ], folder),
        );
      for (const [typed, offered] of CASES) {
        // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
        const found = await complete([PROGRAM, ...typed.split(" ")]);
        assert.deepEqual(
          found.filter((word) => !word.startsWith("--") || typed.includes("--")),
          [...offered].sort(),
          typed,
        );
      }
      // "=" is a word of its own to bash.
      assert.deepEqual(await complete([PROGRAM, "run", "--transport", "=", "g"]), ["grpc"]);
      assert.deepEqual(await complete([PROGRAM, "run", "--transport", "="]), ["auto", "grpc", "quic"]);
      const registered = await output("bash", ["--norc", "-c", 'source "$1"; complete -p', "bash", script], folder);
      assert.match(registered, /^complete -o default -F _palyra_example palyra-example$/m);
    });
  },
});

Deno.test({
  name: "fishCompletions() has fish offer what can come",
  ignore: !await has("fish"),
  fn: async () => {
    await withScript(fishCompletions(PROGRAM, examplePoints()), async (script) => {
      for (const [typed, offered] of CASES) {
        const command = `source $argv[1]; complete -C "$argv[2]"`;
        // deno-lint-ignore no-await-in-loop -- two cores: one process at a time
        const text = await output("fish", ["-N", "-c", command, script, `${PROGRAM} ${typed}`], join(script, ".."));
        const words = sortedLines(text).map((line) => line.split("\t")[0] ?? "");
        assert.deepEqual(
          words.filter((word) => !word.startsWith("-") || typed.includes("--")),
          [...offered].sort(),
          typed,
        );
      }
      const text = await output(
        "fish",
        ["-N", "-c", 'source $argv[1]; complete -C "palyra-example "', script],
        join(script, ".."),
      );
      assert.match(text, /^nodes\tThe nodes$/m);
    });
  },
});

Deno.test({
  name: "zshCompletions() is what zsh can read",
  ignore: !await has("zsh"),
  fn: async () => {
    await withScript(zshCompletions(PROGRAM, examplePoints()), async (script) => {
      assert.equal(await output("zsh", ["-f", "-n", script], join(script, "..")), "");
    });
  },
});

Deno.test("powershellCompletions() lists the words and the values behind each command", () => {
  const script = powershellCompletions(PROGRAM, examplePoints());
  assert.match(script, /^Register-ArgumentCompleter -Native -CommandName 'palyra-example' -ScriptBlock \{$/m);
  assert.match(
    script,
    /^ {4}' nodes' = @\(@\('list', 'Show the nodes'\), @\('invoke', 'Have a node do something'\), /m,
  );
  assert.match(script, /^ {4}' run:--transport' = @\('auto', 'quic', 'grpc'\)$/m);
  assert.match(script, /^ {4}' nodes invoke:--input' = @\(\)$/m);
  assert.ok(!script.includes("-q'"), "short options are not offered");
  // Brackets and quotes close: a slip in the text would leave one open.
  const bare = script.replaceAll(/'(?:[^']|'')*'/g, "").replaceAll(/#.*$/gm, "");
  for (const pair of ["{}", "()", "[]"]) {
    const [open = "", close = ""] = pair;
    assert.equal(bare.split(open).length, bare.split(close).length, pair);
  }
});
