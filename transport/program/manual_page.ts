import { type Colours, PLAIN } from "./colour.ts";
import type { CommandOutline, OptionOutline, ValueOutline } from "./command_outline.ts";
import { EXIT_CODE_MEANINGS } from "./exit_code.ts";
import type { SettingsByKey } from "./setting.ts";
import { wrapText } from "./wrap_text.ts";

/** What a program's manual says beside what its commands say of themselves. */
export interface Manual {
  /** The program's settings, by key. */
  readonly settings: SettingsByKey;
  /** Files that the program keeps, and what they are. */
  readonly files: readonly (readonly [path: string, meaning: string])[];
  /** Variables that no option stands for, and what they say. */
  readonly variables: readonly (readonly [name: string, meaning: string])[];
}

/** How a page is laid out. */
export interface PageLayout {
  /** Columns; text is never wider than 100, which is hard to read. */
  readonly width: number;
  readonly colours?: Colours;
}

const INDENT = "  ";
const WIDEST = 100;
const NARROWEST = 40;

/** A command's page of the manual, in the order of man pages (man-pages(7)). */
export function manualPage(command: CommandOutline, manual: Manual, layout: PageLayout): string[] {
  const width = Math.max(NARROWEST, Math.min(layout.width, WIDEST)) - INDENT.length;
  const { bold } = layout.colours ?? PLAIN;
  const name = command.path.join(" ");
  const isRoot = command.path.length === 1;
  const variables = isRoot ? [...manual.variables, ...settingVariables(manual.settings)] : variablesOf(command.options);
  const sections: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ["NAME", wrapText(`${name} - ${command.description}`, width)],
    ["USAGE", [command.usage]],
    ["ARGUMENTS", entries(command.arguments.map((each) => [valueText(each), argumentText(each)]), width)],
    ["COMMANDS", entries(command.commands.map((each) => [each.name, each.description]), width)],
    ["OPTIONS", entries(command.options.map((each) => [each.flags, optionText(each)]), width)],
    ["EXAMPLES", command.examples.flatMap(({ command: line, explanation }) => [line, `${INDENT}${explanation}`])],
    ["ENVIRONMENT", entries(variables, width)],
    ["FILES", entries(manual.files, width)],
    ["EXIT CODES", exitCodes(width)],
  ];
  const lines = sections.filter(([, content]) => content.length > 0).flatMap(([title, content]) => [
    bold(title),
    ...content.map((line) => line === "" ? "" : INDENT + line),
    "",
  ]);
  return lines.slice(0, -1);
}

/** Terms, each with its explanation indented below. */
function entries(pairs: readonly (readonly [term: string, explanation: string])[], width: number): string[] {
  return pairs.flatMap(([term, explanation]) => [
    term,
    ...wrapText(explanation, width - 2 * INDENT.length).map((line) => INDENT + INDENT + line),
  ]);
}

/** Codes are short enough to stand beside what they mean. */
function exitCodes(width: number): string[] {
  return Object.entries(EXIT_CODE_MEANINGS).flatMap(([code, meaning]) =>
    wrapText(meaning, width - code.length - INDENT.length).map((line, index) =>
      `${index === 0 ? code : " ".repeat(code.length)}${INDENT}${line}`
    )
  );
}

function valueText({ name, required, variadic }: ValueOutline): string {
  const shown = variadic ? `${name}...` : name;
  return required ? `<${shown}>` : `[${shown}]`;
}

function argumentText({ description, choices, name }: ValueOutline): string {
  const listed = choices.length === 0 || name.includes("|") ? "" : `One of ${choices.join(", ")}.`;
  return [sentence(description), listed].filter((text) => text !== "").join(" ");
}

function optionText(option: OptionOutline): string {
  const { description, value, variable, setting } = option;
  const choices = value?.choices ?? [];
  const parts = [sentence(description)];
  // The description may say these things itself.
  if (choices.length > 0 && !choices.every((choice) => `${option.flags} ${description}`.includes(choice))) {
    parts.push(`One of ${choices.join(", ")}.`);
  }
  if (option.default !== "" && !/\bdefault\b/i.test(description)) parts.push(`Default: ${option.default}.`);
  if (variable !== "" && !description.includes(variable)) parts.push(`Variable: ${variable}.`);
  if (setting !== "") parts.push(`In palyra.toml: ${setting}.`);
  return parts.filter((part) => part !== "").join(" ");
}

function settingVariables(settings: SettingsByKey): [name: string, meaning: string][] {
  return Object.entries(settings).filter(([, { env }]) => env !== undefined).map(([key, { env = "", description }]) => [
    env,
    `${sentence(description)} In palyra.toml: ${key}.`,
  ]);
}

function variablesOf(options: readonly OptionOutline[]): [name: string, meaning: string][] {
  return options.filter(({ variable }) => variable !== "").map((
    { variable, names },
  ) => [variable, `As ${names[0] ?? ""}.`]);
}

function sentence(text: string): string {
  if (text === "") return "";
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.?!]$/.test(begun) ? begun : `${begun}.`;
}
