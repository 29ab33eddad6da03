import { type CliExample, newCommand } from "../cli_command.ts";
import { SYSTEM_OPTION, USER_OPTION } from "./service_scope.ts";

/** A command about a service: every one can be pointed at a state folder and at one of the service managers. */
export function serviceVerb(name: string, description: string, examples: readonly CliExample[]) {
  return newCommand(name, description, examples)
    .option(...SYSTEM_OPTION)
    .option(...USER_OPTION)
    .option("--state-root <dir>", "where state is kept (PALYRA_STATE_ROOT)")
    .option("--config <file>", "configuration file (PALYRA_CONFIG; default palyra.toml in the state folder)");
}
