import { PalyraError } from "../../identity/palyra_error.ts";
import { type CliCommand, newCommand } from "./cli_command.ts";
import { print, printJson } from "./cli_output.ts";
import { coloursFor } from "./colour.ts";
import { type CommandOutline, outlineCommand } from "./command_outline.ts";
import { type Manual, manualPage } from "./manual_page.ts";
import { nearestName } from "./nearest_name.ts";
import { terminalWidth } from "./terminal_table.ts";

const DEFAULT_WIDTH = 80;

/** Adds `help [command...]` to a program's root: what `--help` says and more, as a manual's page. */
export function addHelp<Root extends CliCommand>(root: Root, manual: Manual): Root {
  const name = root.name();
  const command = newCommand("help", "Explain a command in full.", [
    { command: `${name} help run`, explanation: "options with their defaults and variables, files, exit codes" },
  ]);
  command
    .argument("[command...]", "the command; without one, the whole program")
    .action((names, options) => {
      const outline = findCommand(outlineCommand(root, manual.settings), names);
      if (options.json === true) return printJson(outlineJson(outline));
      const layout = { width: terminalWidth() ?? DEFAULT_WIDTH, colours: coloursFor(Deno.stdout) };
      for (const line of manualPage(outline, manual, layout)) print(line);
    });
  root.addCommand(command);
  return root;
}

function findCommand(root: CommandOutline, names: readonly string[]): CommandOutline {
  let found = root;
  for (const name of names) {
    const below = found.commands.find((each) => each.name === name);
    if (below === undefined) throw unknownCommand(found, name);
    found = below;
  }
  return found;
}

function unknownCommand({ path, commands }: CommandOutline, name: string): PalyraError {
  const known = commands.map((each) => each.name);
  const nearest = nearestName(name, known);
  const suggestion = nearest === undefined ? "" : ` Did you mean ${nearest}?`;
  const choice = known.length === 0 ? "It has no commands." : `Its commands are ${known.join(", ")}.`;
  return new PalyraError(
    "invalid_argument",
    `\`${path.join(" ")}\` has no command of the name ${JSON.stringify(name)}.${suggestion} ${choice}`,
  );
}

function outlineJson(outline: CommandOutline): Readonly<Record<string, unknown>> {
  return {
    command: outline.path.join(" "),
    usage: outline.usage,
    description: outline.description,
    arguments: outline.arguments.map(({ name, required, variadic, choices, description }) => ({
      name,
      required,
      variadic,
      choices,
      description,
    })),
    options: outline.options.map(({ flags, description, value, variable, setting, default: usual }) => ({
      flags,
      description,
      choices: value?.choices ?? [],
      default: usual || null,
      variable: variable || null,
      setting: setting || null,
    })),
    commands: outline.commands.map(({ name, description }) => ({ name, description })),
    examples: outline.examples,
  };
}
