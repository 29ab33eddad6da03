import { PalyraError } from "../../../identity/palyra_error.ts";

/** What may stand in a unit file's value without quotes, besides `%`, which is doubled. */
const BARE = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * One word of a unit file's value, such as a path in `ReadWritePaths=` (systemd.syntax(7), "Quoting"). `%` is doubled,
 * or it would begin a specifier.
 *
 * @throws {PalyraError} `invalid_argument` when the word has control characters: no service file should carry those.
 */
export function systemdWord(word: string): string {
  if (/\p{Cc}/u.test(word)) {
    throw new PalyraError(
      "invalid_argument",
      "A path with control characters cannot be written into a service's file: choose another folder.",
    );
  }
  const escaped = word.replaceAll("%", "%%");
  return BARE.test(escaped) ? escaped : `"${escaped.replaceAll(/["\\]/g, "\\$&")}"`;
}

/**
 * A command line of a unit file. `$` is doubled in the arguments, or it would begin a variable (systemd.service(5),
 * "Command lines"); in the executable's path it means itself.
 */
export function systemdCommand(executable: string, args: readonly string[]): string {
  return [systemdWord(executable), ...args.map((arg) => systemdWord(arg.replaceAll("$", "$$$$")))].join(" ");
}
