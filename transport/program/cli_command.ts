import { Command, CommanderError } from "@commander-js/extra-typings";
import { PalyraError } from "../../identity/palyra_error.ts";
import { print, reportLine } from "./cli_output.ts";
import { COLOURED, coloursFor } from "./colour.ts";

/** A command as {@linkcode newCommand} makes it; options and arguments added to it extend its type. */
export type CliCommand = Command<[], { json?: true }>;

/** One example in a command's help. */
export interface CliExample {
  /** The command line as it is typed. */
  readonly command: string;
  /** What it does, in a few words. */
  readonly explanation: string;
}

const EXAMPLES = new WeakMap<object, readonly CliExample[]>();

/** The examples that a command was made with. */
export function examplesOf(command: object): readonly CliExample[] {
  return EXAMPLES.get(command) ?? [];
}

/**
 * A command in the house's manner: `--json`, `-h, --help`, the same look of help, a suggestion after a typo, and failures
 * thrown to `runCli` instead of an exit in the middle. Subcommands join by `addCommand`.
 *
 * A program's root goes through `addVersion`.
 */
export function newCommand(name: string, description: string, examples: readonly CliExample[] = []): CliCommand {
  const command = new Command(name)
    .description(description)
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ styleTitle: COLOURED.bold })
    .configureOutput({
      writeOut: (text) => print(text.trimEnd()),
      // The help that stands in for a missing command. JSON readers get the failure alone.
      writeErr: (text) => {
        if (!jsonRequested(Deno.args)) reportLine(text.trimEnd());
      },
      // runCli reports the failure, in text or JSON.
      outputError: () => {},
      // Commander's own answers read variables that a program with narrow permissions may not.
      getOutHasColors: () => coloursFor(Deno.stdout).enabled,
      getErrHasColors: () => coloursFor(Deno.stderr).enabled,
    })
    // Else an outer command would take the options of an inner one, `--json` above all.
    .enablePositionalOptions()
    .option("--json", "write JSON instead of text")
    // `palyrad --json nodes list` means the same as `palyrad nodes list --json`.
    .hook("preAction", (outer, acting) => {
      if (outer.opts().json === true) acting.setOptionValue("json", true);
    });
  const noHelpCommand = false;
  // `--help` is everywhere, and only a program's root has the longer `help`.
  command.helpCommand(noHelpCommand);
  if (examples.length > 0) command.addHelpText("after", examplesText(examples));
  EXAMPLES.set(command, examples);
  return command;
}

/** Whether a command line asks for JSON: `--json` before any `--`. For failures before options are parsed. */
export function jsonRequested(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  return (end === -1 ? args : args.slice(0, end)).includes("--json");
}

/**
 * What commander threw, in the project's terms: undefined for help and version, which were asked for and are done; a
 * PalyraError (`invalid_argument`) for a command line that cannot be; anything else as it is.
 */
export function commandLineFailure(thrown: unknown): unknown {
  if (!(thrown instanceof CommanderError)) return thrown;
  if (thrown.exitCode === 0) return undefined;
  const fault = thrown.code === "commander.help"
    ? "a command is missing"
    // Commander's suggestion comes in brackets on a line of its own.
    : thrown.message.replace(/^error: /, "").replace(/\n\((.*)\)$/, ". $1").replaceAll("\n", " ");
  const sentence = `${fault.charAt(0).toUpperCase()}${fault.slice(1)}`;
  return new PalyraError(
    "invalid_argument",
    `${sentence.replace(/(?<![.?])$/, ".")} Add --help to see what the command takes.`,
  );
}

/** Coloured always: commander strips colours where they are not wanted. */
function examplesText(examples: readonly CliExample[]): string {
  const heading = COLOURED.bold("Examples:");
  const widest = Math.max(...examples.map(({ command }) => command.length));
  const lines = examples.map(({ command, explanation }) => `  ${command.padEnd(widest)}  ${explanation}`);
  return ["", heading, ...lines].join("\n");
}
