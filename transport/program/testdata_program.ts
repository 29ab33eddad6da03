/**
 * For tests: a program in `testdata/`, run by a real Deno process with the project's import map. Standard input is empty
 * unless `options` says otherwise.
 */
export function testdataProgram(
  name: string,
  args: readonly string[] = [],
  options: Deno.CommandOptions = {},
  flags: readonly string[] = [],
): Deno.Command {
  return new Deno.Command(Deno.execPath(), { stdin: "null", ...options, args: testdataArguments(name, args, flags) });
}

/** For tests: the arguments with which `deno` runs a program in `testdata/`; all permissions unless `flags` has some. */
export function testdataArguments(name: string, args: readonly string[] = [], flags: readonly string[] = []): string[] {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const script = new URL(`testdata/${name}`, import.meta.url).pathname;
  return ["run", "--quiet", ...(flags.length === 0 ? ["-A"] : flags), "--config", config, script, ...args];
}
