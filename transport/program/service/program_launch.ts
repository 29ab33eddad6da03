import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { type EnvironmentReader, environmentText } from "../environment.ts";

/** The variable in which a package's start script names itself, by an absolute path. */
export const START_SCRIPT_VARIABLE = "PALYRA_START_SCRIPT";

/** How a program is started again, without the verb and its options. */
export interface ProgramLaunch {
  /** `compiled`: one executable. `script`: a package's start script. `source`: Deno runs the source files. */
  readonly kind: "compiled" | "script" | "source";
  /** An absolute path. */
  readonly executable: string;
  /** What comes before the verb. */
  readonly args: readonly string[];
}

/** What tells how this process was started; this process's own by default. */
export interface LaunchFacts {
  readonly standalone?: boolean;
  readonly executable?: string;
  /** The URL of the main module. */
  readonly mainModule?: string;
  readonly environment?: EnvironmentReader;
}

/** What `deno task` gives the programs when they run from source; the paths follow. */
const SOURCE_FLAGS: readonly string[] = ["run", "--quiet", "--no-prompt", "--allow-all"];

/**
 * How this program was started, so that a service manager can start it the same way: a compiled executable as itself; a
 * package by its start script, which names itself in {@linkcode START_SCRIPT_VARIABLE} and must `exec` Deno, so that the
 * program is the process that the manager started; source files by the Deno that runs them now.
 *
 * @throws {PalyraError} `invalid_argument` when the variable holds no absolute path, or the main module is no file.
 */
export function programLaunch(facts: LaunchFacts = {}): ProgramLaunch {
  const standalone = facts.standalone ?? Deno.build.standalone;
  const executable = facts.executable ?? Deno.execPath();
  if (standalone) return { kind: "compiled", executable, args: [] };
  const script = environmentText(facts.environment ?? Deno.env, START_SCRIPT_VARIABLE);
  if (script !== undefined) {
    if (isAbsolute(script)) return { kind: "script", executable: script, args: [] };
    throw new PalyraError("invalid_argument", `${START_SCRIPT_VARIABLE} must hold an absolute path.`);
  }
  const main = new URL(facts.mainModule ?? Deno.mainModule);
  if (main.protocol !== "file:") {
    throw new PalyraError("invalid_argument", "The program's source must lie on this machine to run as a service.");
  }
  const config = fileURLToPath(new URL("../deno.json", main));
  return { kind: "source", executable, args: [...SOURCE_FLAGS, "--config", config, fileURLToPath(main)] };
}
