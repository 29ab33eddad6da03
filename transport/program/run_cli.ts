import { commandLineFailure, jsonRequested } from "./cli_command.ts";
import { OutputClosedError, reportError } from "./cli_output.ts";
import { EXIT_OK, type ExitCode } from "./exit_code.ts";

/**
 * Runs a program from its arguments to its exit. Whatever `main` throws is reported on standard error (as JSON when the
 * arguments have `--json`) and becomes the exit code; a wrong command line ends with 2, `--help` and `--version` with 0, a
 * reader of standard output that went away quietly with 0. Failures that nobody awaits end the program the same way.
 *
 * The process exits even when something is left open: a command that has answered must not hang on an idle connection.
 *
 * @param main parses the arguments and does the work; returns an exit code of its own, or nothing for 0.
 */
export async function runCli(
  main: (args: readonly string[]) => Promise<ExitCode | void>,
  args: readonly string[] = Deno.args,
): Promise<never> {
  const json = jsonRequested(args);
  const exitWith = (thrown: unknown): never => {
    if (thrown instanceof OutputClosedError) Deno.exit(EXIT_OK);
    const failure = commandLineFailure(thrown);
    Deno.exit(failure === undefined ? EXIT_OK : reportError(failure, { json }));
  };
  addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    exitWith(event.reason);
  });
  addEventListener("error", (event) => {
    event.preventDefault();
    exitWith(event.error);
  });
  try {
    Deno.exit(await main(args) ?? EXIT_OK);
  } catch (error) {
    return exitWith(error);
  }
}
