import type { CommandOutline, OptionOutline } from "../command_outline.ts";

/** A word that can be completed to, and what it is. */
export interface CompletionWord {
  readonly word: string;
  readonly description: string;
}

/** An option, as completions need it. */
export interface CompletionOption {
  /** `--version` and `-V`. */
  readonly names: readonly string[];
  readonly description: string;
  /** What follows it. `other` is a value that only the user knows. */
  readonly value: "none" | "choice" | "path" | "other";
  readonly choices: readonly string[];
}

/** A place in a command line: behind these words, what can come. */
export interface CompletionPoint {
  /** The commands before it, without the program: `["nodes", "invoke"]`. */
  readonly verbs: readonly string[];
  readonly commands: readonly CompletionWord[];
  readonly options: readonly CompletionOption[];
  /** The values of its arguments, where those are known. */
  readonly choices: readonly string[];
  /** Its arguments name files or folders. */
  readonly takesPaths: boolean;
}

/** Words that no shell takes for anything else; others are left out of completions rather than escaped four ways. */
const PLAIN_WORD = /^[A-Za-z0-9_@.+-]+$/;

/** Every place in a program's command lines, the program's own first. */
export function completionPoints(program: CommandOutline): CompletionPoint[] {
  const point: CompletionPoint = {
    verbs: program.path.slice(1),
    commands: program.commands.map(({ name, description }) => ({ word: name, description: brief(description) })),
    options: program.options.map(completionOption),
    choices: program.arguments.flatMap(({ choices }) => choices).filter(isPlain),
    takesPaths: program.arguments.some(({ isPath }) => isPath),
  };
  return [point, ...program.commands.flatMap(completionPoints)];
}

function completionOption({ names, description, value }: OptionOutline): CompletionOption {
  const choices = (value?.choices ?? []).filter(isPlain);
  return { names: names.filter(isPlain), description: brief(description), value: kindOf(value, choices), choices };
}

function kindOf(value: OptionOutline["value"], choices: readonly string[]): CompletionOption["value"] {
  if (value === undefined) return "none";
  if (choices.length > 0) return "choice";
  return value.isPath ? "path" : "other";
}

function isPlain(word: string): boolean {
  return PLAIN_WORD.test(word);
}

const MAX_BRIEF_CHARACTERS = 72;

/** The first clause of a description, fit for a list. */
function brief(description: string): string {
  const [clause = ""] = description.split(/[:;(]|\. /);
  return clause.trim().replace(/\.$/, "").slice(0, MAX_BRIEF_CHARACTERS);
}

/** The commands before a point as one text, each behind a space: ` nodes invoke`. */
export function verbsKey(verbs: readonly string[]): string {
  return verbs.map((verb) => ` ${verb}`).join("");
}

/** The name of a program as part of a shell function's. */
export function functionName(program: string): string {
  return `_${program.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}
