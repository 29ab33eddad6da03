/** Reads variables of the environment. `Deno.env` is one; tests pass their own. */
export interface EnvironmentReader {
  /** The text of a variable; undefined when it is not set. */
  get(name: string): string | undefined;
}

/** A variable's text, where an empty one counts as not set (as the XDG rules and most shells' users expect). */
export function environmentText(environment: EnvironmentReader, name: string): string | undefined {
  const text = environment.get(name);
  return text === "" ? undefined : text;
}
