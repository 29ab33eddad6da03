import { join, parse } from "node:path";

/** What Deno is not to look at, and not to do, whatever a child may otherwise. */
const BARE_START: readonly string[] = [
  "run",
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--no-code-cache",
  "--deny-import",
];

/** How a child is started. */
export interface ChildCommandOptions {
  /** Its permissions and limits, as flags of `deno run`. */
  readonly flags: readonly string[];
  readonly output: "piped" | "null";
}

/**
 * A process of Deno that runs a program given as a `data:` URL: in a session and process group of its own (Ctrl-C is for
 * palyra-node to handle), with an empty environment, in no folder of anybody's, and without a trace on the disk.
 */
export function childCommand(programUrl: string, { flags, output }: ChildCommandOptions): Deno.Command {
  const executable = Deno.execPath();
  return new Deno.Command(executable, {
    args: [...BARE_START, ...flags, programUrl],
    cwd: parse(executable).root,
    clearEnv: true,
    env: {
      // Nothing can be kept below a file: Deno then caches nothing.
      DENO_DIR: join(executable, "none"),
      DENO_NO_PACKAGE_JSON: "1",
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
      // Without it there are no sockets.
      ...(Deno.build.os === "windows" && { SystemRoot: "C:\\Windows" }),
    },
    stdin: "piped",
    stdout: output,
    stderr: output,
    detached: true,
  });
}

/** A program's text as a URL that can be started without a file, and is one word where Deno shows it. */
export function programUrl(program: string): string {
  return `data:text/javascript,${encodeURIComponent(program).replaceAll("(", "%28").replaceAll(")", "%29")}`;
}
