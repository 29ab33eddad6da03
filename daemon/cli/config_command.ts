import { newCommand } from "../../transport/program/cli_command.ts";
import { printJson } from "../../transport/program/cli_output.ts";
import { sourceText } from "../../transport/program/layered_config.ts";
import { readDaemonConfig } from "../daemon_config.ts";
import { daemonCommand } from "./daemon_command.ts";
import { printTable } from "./print_table.ts";

/** `palyrad config …` */
export function configCommand() {
  const show = daemonCommand("show", "Show every setting, its value and where it came from.").action(
    async (options) => {
      const config = await readDaemonConfig({
        stateRoot: options.stateRoot,
        configFile: options.config,
        environment: Deno.env,
      });
      if (options.json) {
        return printJson({ state_folder: config.stateFolder, settings: config.entries });
      }
      printTable(
        [{ title: "SETTING" }, { title: "VALUE" }, { title: "FROM" }, { title: "MEANING" }],
        config.entries.map((entry) => [
          entry.key,
          JSON.stringify(entry.value) ?? "",
          sourceText(entry.source),
          entry.description,
        ]),
        "No settings.",
      );
    },
  );
  return newCommand("config", "The daemon's settings.").addCommand(show);
}
