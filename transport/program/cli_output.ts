import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { reasonKind } from "../../identity/reason_code.ts";
import { coloursFor } from "./colour.ts";
import { type ExitCode, exitCodeOf } from "./exit_code.ts";
import { logText } from "./log_value.ts";
import { logsToFile } from "./logging.ts";
import { printableText } from "./printable_text.ts";
import { writeBytes } from "./sync_writer.ts";

const logger = getLogger(["palyra", "program", "cli"]);
const encoder = new TextEncoder();

/** The version of the JSON envelope in which failures are written. */
const ERROR_ENVELOPE_VERSION = 1;

/** Nobody reads standard output any more (`palyrad nodes list | head -1`): there is nobody to fail for either. */
export class OutputClosedError extends Error {
  constructor(options: { readonly cause: unknown }) {
    super("nobody reads standard output any more", options);
    this.name = "OutputClosedError";
  }
}

/**
 * Writes text and a line's end to standard output before it returns.
 *
 * @throws {OutputClosedError} when the reader has gone; `runCli` ends quietly then.
 */
export function print(text: string): void {
  try {
    writeBytes(Deno.stdout, encoder.encode(`${text}\n`));
  } catch (error) {
    if (isClosedPipe(error)) throw new OutputClosedError({ cause: error });
    throw error;
  }
}

/**
 * Writes one JSON document to standard output, keys in the order given: indented for a terminal, else on one line, so
 * that a stream of them is JSON Lines. Big integers become decimal strings.
 *
 * @throws {OutputClosedError} as {@linkcode print} does.
 */
export function printJson(value: unknown): void {
  const indent = Deno.stdout.isTerminal() ? 2 : 0;
  print(JSON.stringify(value, (_, item: unknown) => typeof item === "bigint" ? String(item) : item, indent));
}

/** How a failure is reported. */
export interface ReportOptions {
  /** Whether the caller asked for JSON. */
  readonly json: boolean;
}

/**
 * Reports a failure on standard error: `error: <message> [<code>]`, or with `json` the envelope
 * `{"version":1,"error":{"code","kind","message"}}`. For a failure that should not happen, the text also names the causes:
 * on a command line the log has no other reader. Never throws.
 *
 * @returns the exit code that fits.
 */
export function reportError(thrown: unknown, options: ReportOptions): ExitCode {
  const error = PalyraError.from(thrown);
  const kind = reasonKind(error.code);
  const { code, message } = error;
  logger[code === "internal" || logsToFile() ? "error" : "debug"]("The program ends because of a failure.", { error });
  if (options.json) {
    reportLine(JSON.stringify({ version: ERROR_ENVELOPE_VERSION, error: { code, kind, message } }));
  } else {
    const colours = coloursFor(Deno.stderr);
    reportLine(`${colours.red("error:")} ${printableText(message)} ${colours.dim(`[${code}]`)}`);
    if (code === "internal") {
      for (const cause of causesOf(error)) reportLine(`  caused by: ${printableText(logText(cause))}`);
    }
  }
  return exitCodeOf(error);
}

/** Writes a line to standard error; quiet when nobody reads it. */
export function reportLine(text: string): void {
  try {
    writeBytes(Deno.stderr, encoder.encode(`${text}\n`));
  } catch {
    // There is nowhere left to say it; the exit code still tells.
  }
}

const MOST_CAUSES = 5;

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  let cause = error.cause;
  while (cause !== undefined && causes.length < MOST_CAUSES) {
    causes.push(String(cause));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return causes;
}

function isClosedPipe(error: unknown): boolean {
  return error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.BadResource;
}
