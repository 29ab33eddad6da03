import {
  type CliCommand,
  coloursFor,
  newCommand,
  print,
  printJson,
  sourceText,
  tableLines,
  terminalWidth,
} from "../../transport/program/mod.ts";
import type { NodeConfig } from "../node_config.ts";
import { CONFIG_OPTION, configForShortVerb, STATE_ROOT_OPTION } from "./shared_options.ts";

const EXAMPLES = [{ command: "palyra-node config show", explanation: "every value, and what it comes from" }];

/** `palyra-node config`. */
export function configCommand(): CliCommand {
  const command = newCommand("config", "Look at the configuration.", EXAMPLES);
  const show = newCommand("show", "Show every setting, its value, and where that comes from.", EXAMPLES);
  show
    .option(...STATE_ROOT_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options) => {
      const config = await configForShortVerb(options);
      if (options.json === true) printJson(configJson(config));
      else for (const line of configLines(config)) print(line);
    });
  command.addCommand(show);
  return command;
}

function configJson(config: NodeConfig): Readonly<Record<string, unknown>> {
  return {
    state_folder: config.stateFolder,
    settings: config.entries.map(({ key, value, source, description }) => ({
      key,
      value: value ?? null,
      source: source.kind,
      source_name: source.name,
      description,
    })),
  };
}

function configLines(config: NodeConfig): string[] {
  const { bold, dim } = coloursFor(Deno.stdout);
  return tableLines({
    columns: [{ title: "SETTING" }, { title: "VALUE" }, { title: "FROM", paint: dim }],
    rows: config.entries.map(({ key, value, source }) => [
      key,
      value === undefined ? "(not set)" : typeof value === "string" ? value : JSON.stringify(value),
      sourceText(source),
    ]),
    width: terminalWidth(),
    paintTitle: bold,
  });
}
