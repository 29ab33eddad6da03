import {
  addCompletions,
  addHelp,
  addVersion,
  type CliCommand,
  EXIT_OK,
  type ExitCode,
  newCommand,
} from "../../transport/program/mod.ts";
import { reasonsCommand } from "../../transport/program/reasons/reasons_command.ts";
import { secretsCommand } from "../../transport/program/sealing/secrets_command.ts";
import { NODE_SETTINGS } from "../node_config.ts";
import { capabilitiesCommand } from "./capabilities_command.ts";
import { configCommand } from "./config_command.ts";
import { doctorCommand } from "./doctor_command.ts";
import { MANUAL } from "./manual.ts";
import { pairCommand } from "./pair_command.ts";
import { permissionsCommand } from "./permissions_command.ts";
import { requestsCommand } from "./requests_command.ts";
import { runCommand } from "./run_command.ts";
import { SECRETS_HOST } from "./secrets_host.ts";
import { serviceCommands } from "./service_commands.ts";
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
  await nodeCli((code) => exitCode = code).parseAsync([...args], { from: "user" });
  return exitCode;
}

/** The whole command line of palyra-node. `exit` gets a code of its own from a command that did its work and has bad news. */
export function nodeCli(exit: (code: ExitCode) => void): CliCommand {
  const program = addVersion(newCommand(
    "palyra-node",
    "Lets a Palyra daemon use this machine, within what its owner allows.",
    EXAMPLES,
  ));
  program.addCommand(pairCommand());
  program.addCommand(runCommand());
  program.addCommand(statusCommand(exit));
  program.addCommand(doctorCommand(exit));
  program.addCommand(unpairCommand());
  program.addCommand(requestsCommand());
  program.addCommand(capabilitiesCommand());
  program.addCommand(permissionsCommand());
  program.addCommand(reasonsCommand("palyra-node"));
  program.addCommand(secretsCommand(SECRETS_HOST));
  program.addCommand(configCommand());
  for (const command of serviceCommands()) program.addCommand(command);
  addCompletions(program, NODE_SETTINGS.settings);
  addHelp(program, MANUAL);
  return program;
}
