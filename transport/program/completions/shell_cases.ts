import { type CompletionOption, type CompletionPoint, verbsKey } from "./completion_point.ts";

/** A word in single quotes, as bash and zsh read it. */
export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The lines of a `case` for every point; those that have nothing to say are left out. */
export function caseLines(points: readonly CompletionPoint[], lineOf: (point: CompletionPoint) => string): string {
  return points.map(lineOf).filter((text) => text !== "").join("\n");
}

/** A `case` pattern for some options of a point: the words before it, a colon, the option. */
export function optionPatterns(point: CompletionPoint, options: readonly CompletionOption[]): string {
  const names = options.flatMap((option) => option.names);
  return names.map((name) => shellQuoted(`${verbsKey(point.verbs)}:${name}`)).join("|");
}

/** A `case` line that follows a command to the point behind it. */
export function verbCase({ verbs, commands }: CompletionPoint): string {
  const patterns = commands.map(({ word }) => shellQuoted(verbsKey([...verbs, word]))).join("|");
  return patterns === "" ? "" : `      ${patterns}) verbs="$verbs $word" ;;`;
}

/** A `case` line that passes over the value of an option. */
export function skipCase(point: CompletionPoint): string {
  const patterns = optionPatterns(point, point.options.filter(({ value }) => value !== "none"));
  return patterns === "" ? "" : `      ${patterns}) skip=1 ;;`;
}
