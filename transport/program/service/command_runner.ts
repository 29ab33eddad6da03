import { PalyraError } from "../../../identity/palyra_error.ts";
import { printableText } from "../printable_text.ts";

/** A program and its arguments, started without a shell. */
export interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
}

/** How a command ended. */
export interface CommandEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the commands of service managers. Tests pass one of their own. */
export interface CommandRunner {
  /**
   * Runs a command to its end, whatever that is.
   *
   * Rejects with `service_manager_unavailable` when there is no such command, `permission_missing` when Deno may not
   * start it.
   */
  run(line: CommandLine): Promise<CommandEnd>;
}

/** Runs them for real, found by the PATH, with no standard input. */
export const systemRunner: CommandRunner = {
  async run({ command, args }) {
    try {
      // Messages are read, and shown, in English.
      const env = { LC_ALL: "C" };
      const { code, stdout, stderr } = await new Deno.Command(command, { args: [...args], env, stdin: "null" })
        .output();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        throw new PalyraError(
          "service_manager_unavailable",
          `This machine has no ${command}, so no service can be managed here: run the program in the foreground, under ` +
            "whatever keeps programs running on this machine.",
          { cause: error },
        );
      }
      if (error instanceof Deno.errors.NotCapable) {
        throw new PalyraError(
          "permission_missing",
          `The program may not start ${command}: start it with --allow-run=${command}, or add --dry-run to see what to ` +
            "do by hand.",
          { cause: error },
        );
      }
      throw error;
    }
  },
};

const MAX_LINE_CHARACTERS = 200;

/** The first line of what a command said, fit for a message. */
export function firstLine(text: string): string {
  const [line = ""] = text.trim().split("\n");
  return printableText(line).slice(0, MAX_LINE_CHARACTERS) || "it said nothing";
}

/** A command line as it could be typed into a shell, for people. */
export function commandText({ command, args }: CommandLine): string {
  return [command, ...args].map(shellWord).join(" ");
}

function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
