import { EXIT_OK, type ExitCode, newCommand, versionText } from "../../transport/program/mod.ts";
import { capabilitiesCommand } from "./capabilities_command.ts";
import { configCommand } from "./config_command.ts";
import { pairCommand } from "./pair_command.ts";
import { runCommand } from "./run_command.ts";
import { statusCommand } from "./status_command.ts";
import { unpairCommand } from "./unpair_command.ts";

const EXAMPLES = [
  { command: "palyra-node pair palyra1:AbC…", explanation: "pair with the token that `palyrad pairing code` shows" },
  { command: "palyra-node run", explanation: "connect and serve until Ctrl-C" },
  { command: "palyra-node status", explanation: "see whether it is connected, and if not, why" },
];

/** Runs one command line of palyra-node; what it throws is for `runCli` to report. */
export async function runProgram(args: readonly string[]): Promise<ExitCode> {
  let exitCode = EXIT_OK;
  const program = newCommand(
    "palyra-node",
    "Lets a Palyra daemon use this machine, within what its owner allows.",
    EXAMPLES,
  )
    .version(versionText("palyra-node"), "-V, --version", "show the version");
  program.addCommand(pairCommand());
  program.addCommand(runCommand());
  program.addCommand(statusCommand((code) => exitCode = code));
  program.addCommand(unpairCommand());
  program.addCommand(capabilitiesCommand());
  program.addCommand(configCommand());
  await program.parseAsync([...args], { from: "user" });
  return exitCode;
}
