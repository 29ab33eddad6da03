import { newCommand } from "../../transport/program/cli_command.ts";
import { addCompletions } from "../../transport/program/completions/completions_command.ts";
import type { ExitCode } from "../../transport/program/exit_code.ts";
import { addHelp } from "../../transport/program/help_command.ts";
import { reasonsCommand } from "../../transport/program/reasons/reasons_command.ts";
import { secretsCommand } from "../../transport/program/sealing/secrets_command.ts";
import { addVersion } from "../../transport/program/version.ts";
import { DAEMON_SETTINGS } from "../daemon_config.ts";
import { auditCommand } from "./audit_commands.ts";
import { caCommand } from "./ca_commands.ts";
import { configCommand } from "./config_command.ts";
import { devicesCommand } from "./devices_commands.ts";
import { doctorCommand } from "./doctor_command.ts";
import { initCommand } from "./init_command.ts";
import { MANUAL } from "./manual.ts";
import { nodesCommand } from "./nodes_commands.ts";
import { pairingCommand } from "./pairing_commands.ts";
import { requestsCommand } from "./requests_commands.ts";
import { runCommand } from "./run_command.ts";
import { SECRETS_HOST } from "./secrets_host.ts";
import { serviceCommands } from "./service_commands.ts";
import { statusCommand } from "./status_command.ts";

/** The whole command line of palyrad. `exit` gets a code of its own from a command that did its work and has bad news. */
export function palyradCli(exit: (code: ExitCode) => void) {
  const root = newCommand(
    "palyrad",
    "The daemon that reaches your other machines: pairs them, queues work, dispatches it.",
    [
      { command: "palyrad run", explanation: "start it here" },
      { command: "palyrad pairing code", explanation: "then, in another terminal: pair a machine" },
      { command: "palyrad nodes invoke laptop system.health", explanation: "and have it do something" },
    ],
  )
    .addCommand(runCommand())
    .addCommand(initCommand())
    .addCommand(statusCommand())
    .addCommand(doctorCommand(exit))
    .addCommand(pairingCommand())
    .addCommand(devicesCommand())
    .addCommand(nodesCommand())
    .addCommand(requestsCommand())
    .addCommand(auditCommand())
    .addCommand(caCommand())
    .addCommand(reasonsCommand("palyrad"))
    .addCommand(secretsCommand(SECRETS_HOST))
    .addCommand(configCommand());
  for (const command of serviceCommands()) root.addCommand(command);
  addCompletions(root, DAEMON_SETTINGS.settings);
  return addHelp(addVersion(root), MANUAL);
}
