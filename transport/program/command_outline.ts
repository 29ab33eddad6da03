import type { Argument, CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { type CliExample, examplesOf } from "./cli_command.ts";
import type { Setting, SettingsByKey } from "./setting.ts";

/** What follows an option or stands by itself: `<file>`, `[token]`, `<name...>`. */
export interface ValueOutline {
  /** As help shows it, without brackets. */
  readonly name: string;
  readonly required: boolean;
  readonly variadic: boolean;
  /** The only values there are; empty when there are others. */
  readonly choices: readonly string[];
  /** It names a file or folder. */
  readonly isPath: boolean;
  readonly description: string;
}

/** An option of a command. */
export interface OptionOutline {
  /** As help shows it: `-V, --version`. */
  readonly flags: string;
  /** The names that may be typed: `--version`, `-V`. */
  readonly names: readonly string[];
  readonly value: ValueOutline | undefined;
  readonly description: string;
  /** What it is when neither it nor anything else says; empty when there is nothing to say. */
  readonly default: string;
  /** The variable that says it too; empty when there is none. */
  readonly variable: string;
  /** The key that says it in the configuration file; empty when there is none. */
  readonly setting: string;
}

/** A command as its help and its completions need it. */
export interface CommandOutline {
  readonly name: string;
  /** From the program's name down to its own. */
  readonly path: readonly string[];
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly ValueOutline[];
  readonly options: readonly OptionOutline[];
  readonly commands: readonly CommandOutline[];
  readonly examples: readonly CliExample[];
}

const HELP_OPTION: OptionOutline = {
  flags: "-h, --help",
  names: ["--help", "-h"],
  value: undefined,
  description: "show this help",
  default: "",
  variable: "",
  setting: "",
};

const PATH_NAMES: readonly string[] = ["file", "dir", "folder", "path"];

/**
 * The outline of a command and everything below it. `settings` are the program's: where an option's long name is a
 * setting's flag, the setting's default, variable and choices are the option's too.
 */
export function outlineCommand(command: CommandUnknownOpts, settings: SettingsByKey): CommandOutline {
  return outlineBelow(command, [], settings);
}

function outlineBelow(
  command: CommandUnknownOpts,
  above: readonly string[],
  settings: SettingsByKey,
): CommandOutline {
  const path = [...above, command.name()];
  return {
    name: command.name(),
    path,
    usage: [...path, command.usage()].join(" "),
    description: command.description(),
    arguments: command.registeredArguments.map(outlineArgument),
    options: [...command.options.map((option) => outlineOption(option, settings)), HELP_OPTION],
    commands: command.commands.map((below) => outlineBelow(below, path, settings)),
    examples: examplesOf(command),
  };
}

function outlineArgument(argument: Argument): ValueOutline {
  return {
    ...namedValue(argument.name(), argument.argChoices),
    required: argument.required,
    variadic: argument.variadic,
    description: argument.description,
  };
}

function outlineOption(option: Option, settings: SettingsByKey): OptionOutline {
  const [key, setting] = Object.entries(settings).find(([, each]) => each.flag === option.long) ?? [];
  return {
    flags: option.flags,
    names: [option.long, option.short].filter((name) => name !== undefined && name !== null),
    value: outlineValue(option, setting),
    description: option.description,
    default: defaultText(option, setting),
    variable: setting?.env ?? "",
    setting: key ?? "",
  };
}

function outlineValue(option: Option, setting: Setting | undefined): ValueOutline | undefined {
  if (!option.required && !option.optional) return undefined;
  const name = /[<[]([^>\]]+?)(?:\.\.\.)?[>\]]/.exec(option.flags)?.[1] ?? "value";
  return {
    ...namedValue(name, option.argChoices ?? choicesOf(setting)),
    required: option.required,
    variadic: option.variadic,
    description: "",
  };
}

/** `<auto|quic|grpc>` lists its own choices. */
function namedValue(name: string, choices: readonly string[] | undefined) {
  return {
    name,
    choices: choices ?? (name.includes("|") ? name.split("|") : []),
    isPath: PATH_NAMES.includes(name),
  };
}

function choicesOf(setting: Setting | undefined): readonly string[] | undefined {
  const schema = setting?.schema;
  if (schema?.type !== "picklist" || !("options" in schema) || !Array.isArray(schema.options)) return undefined;
  return schema.options.map(String);
}

function defaultText(option: Option, setting: Setting | undefined): string {
  // A negated option is about the opposite of its setting.
  if (option.negate) return "";
  const value: unknown = option.defaultValue ?? setting?.default;
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return "";
  return Array.isArray(value) ? value.join(", ") : String(value);
}
