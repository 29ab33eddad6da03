// A command line with one of everything that runCli() promises something about.
import { PalyraError } from "../../../identity/palyra_error.ts";
import { newCommand } from "../cli_command.ts";
import { print, printJson } from "../cli_output.ts";
import { runCli } from "../run_cli.ts";
import { addVersion } from "../version.ts";

const show = newCommand("show", "Shows something.", [{ command: "example show 3", explanation: "show three of them" }])
  .argument("<count>", "how many")
  .option("--colour <name>", "in which colour")
  .action((count, options) => options.json ? printJson({ z: count, a: 10n }) : print(`count ${count}`));

const fail = newCommand("fail", "Fails.")
  .argument("<how>", "in which way")
  .action((how) => {
    if (how === "known") throw new PalyraError("device_not_found", "There is no such device: see `devices list`.");
    if (how === "unawaited") void Promise.reject(new PalyraError("queue_full", "The queue is full: wait."));
    if (how === "timer") setTimeout(() => JSON.parse("{"), 0);
    if (how === "unknown") throw new TypeError("inner fault", { cause: "\x1b[2J" });
    return new Promise<void>((resolve) => setTimeout(resolve, 60_000));
  });

const flood = newCommand("flood", "Writes without end.").action(() => {
  for (;;) print("x".repeat(1_000));
});

const hang = newCommand("hang", "Leaves a timer behind.").action(() => {
  setInterval(() => {}, 1_000);
});

await runCli(async (args) => {
  const program = addVersion(newCommand("example", "An example."));
  for (const command of [show, fail, flood, hang]) program.addCommand(command);
  await program.parseAsync([...args], { from: "user" });
});
