import { newCommand } from "../../transport/program/cli_command.ts";
import { versionText } from "../../transport/program/version.ts";
import { configCommand } from "./config_command.ts";
import { devicesCommand } from "./devices_commands.ts";
import { initCommand } from "./init_command.ts";
import { nodesCommand } from "./nodes_commands.ts";
import { pairingCommand } from "./pairing_commands.ts";
import { requestsCommand } from "./requests_commands.ts";
import { runCommand } from "./run_command.ts";
import { statusCommand } from "./status_command.ts";

/** The whole command line of palyrad. */
export function palyradCli() {
  return newCommand("palyrad", "The daemon that reaches your other machines: pairs them, queues work, dispatches it.", [
    { command: "palyrad run", explanation: "start it here" },
    { command: "palyrad pairing code", explanation: "then, in another terminal: pair a machine" },
    { command: "palyrad nodes invoke laptop system.health", explanation: "and have it do something" },
  ])
    .version(versionText("palyrad"), "-V, --version", "show the version")
    .addCommand(runCommand())
    .addCommand(initCommand())
    .addCommand(statusCommand())
    .addCommand(pairingCommand())
    .addCommand(devicesCommand())
    .addCommand(nodesCommand())
    .addCommand(requestsCommand())
    .addCommand(configCommand());
}
