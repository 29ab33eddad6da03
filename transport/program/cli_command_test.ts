import assert from "node:assert/strict";
import { CommanderError } from "@commander-js/extra-typings";
import { PalyraError } from "../../identity/palyra_error.ts";
import { commandLineFailure, jsonRequested, newCommand } from "./cli_command.ts";

Deno.test("newCommand() keeps the types of options and arguments that are added", async () => {
  const seen: [string, boolean, string | undefined][] = [];
  const command = newCommand("pair", "Pairs.")
    .argument("<token>")
    .option("--name <name>")
    .action((token, options) => {
      seen.push([token, options.json === true, options.name]);
    });
  await command.parseAsync(["t", "--json", "--name", "n"], { from: "user" });
  assert.deepEqual(seen, [["t", true, "n"]]);
});

Deno.test("newCommand() leaves an inner command its options, and passes an outer --json on", async () => {
  const seen: unknown[] = [];
  const inner = newCommand("list", "Lists.").option("--name <name>").action((options) => {
    seen.push({ ...options });
  });
  const outer = newCommand("nodes", "Nodes.").option("--name <name>").addCommand(inner);
  await outer.parseAsync(["--json", "--name", "outer", "list", "--name", "inner"], { from: "user" });
  assert.deepEqual(seen, [{ name: "inner", json: true }]);
  assert.equal(outer.opts().name, "outer");
});

Deno.test("newCommand() throws instead of exiting", async () => {
  await assert.rejects(
    newCommand("x", "X.").action(() => {}).parseAsync(["--nothing"], { from: "user" }),
    CommanderError,
  );
});

Deno.test("commandLineFailure() tells help from a wrong command line from other failures", () => {
  assert.equal(commandLineFailure(new CommanderError(0, "commander.version", "1.0")), undefined);
  const wrong = commandLineFailure(new CommanderError(1, "commander.unknownOption", "error: unknown option '--x'"));
  assert.ok(wrong instanceof PalyraError);
  assert.equal(wrong.code, "invalid_argument");
  assert.match(wrong.message, /^Unknown option '--x'\. Add --help/);
  const other = new PalyraError("queue_full", "Full.");
  assert.equal(commandLineFailure(other), other);
});

Deno.test("jsonRequested() looks for --json up to --", () => {
  assert.ok(jsonRequested(["nodes", "--json"]));
  assert.ok(!jsonRequested(["nodes", "--", "--json"]));
  assert.ok(!jsonRequested(["nodes", "--jsonx"]));
});
