import { type CliExample, newCommand } from "../../transport/program/cli_command.ts";

/** A palyrad command: every one can be pointed at a state folder and a configuration file. */
export function daemonCommand(name: string, description: string, examples: readonly CliExample[] = []) {
  return newCommand(name, description, examples)
    .option("--state-root <folder>", "folder of the daemon's state (PALYRA_STATE_ROOT)")
    .option("--config <file>", "configuration file (PALYRA_CONFIG; default palyra.toml in the state folder)");
}

/** The options that {@linkcode daemonCommand} adds, as commander hands them over. */
export interface DaemonCommandOptions {
  readonly json?: true | undefined;
  readonly stateRoot?: string | undefined;
  readonly config?: string | undefined;
}
