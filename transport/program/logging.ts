import { configureSync, type LogLevel, type LogRecord } from "@logtape/logtape";
import { coloursFor, type TerminalProbe } from "./colour.ts";
import type { EnvironmentReader } from "./environment.ts";
import { formatJsonRecord, formatPrettyRecord } from "./log_format.ts";
import { lineSink } from "./log_sink.ts";
import { RotatingLogFile } from "./rotating_log_file.ts";
import type { SyncWriter } from "./sync_writer.ts";

/** `auto` is `pretty` on a terminal and `json` elsewhere. */
export type LogFormat = "auto" | "json" | "pretty";

/** The formats, for a setting's schema and help texts. */
export const LOG_FORMATS: readonly LogFormat[] = ["auto", "json", "pretty"];

/** The levels, least important first, for a setting's schema and help texts. */
export const LOG_LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warning", "error", "fatal"];

/** How a program logs. */
export interface LoggingOptions {
  /** `auto` by default. */
  readonly format?: LogFormat;
  /** The least important level that is written; `info` by default. */
  readonly level?: LogLevel;
  /** Where lines go; standard error by default, because standard output is for results. */
  readonly stream?: SyncWriter & TerminalProbe;
  /** Where lines go instead of a stream: a file of bounded size, see {@linkcode RotatingLogFile}. */
  readonly file?: string | undefined;
  /** `Deno.env` by default; for `NO_COLOR` and `TERM`. */
  readonly environment?: EnvironmentReader;
}

// Of the whole process, as LogTape's set-up is.
let logFile: RotatingLogFile | undefined;

/** Whether what is logged goes to a file, so that it must also hold what is said on standard error. */
export function logsToFile(): boolean {
  return logFile !== undefined;
}

/**
 * Sets up LogTape for the whole process; a second call replaces the first. Modules then log with
 * `getLogger(["palyra", <part>, <module>])`.
 *
 * A line is written before the logging call returns, and writing never throws. Properties that are secrets by their name
 * are redacted as a last line of defence; errors are written with code and causes, with their stacks at `debug` and below.
 *
 * @throws {PalyraError} `invalid_config` or `permission_missing` when a log file is named that cannot be written.
 */
export function configureLogging(options: LoggingOptions = {}): void {
  logFile?.[Symbol.dispose]();
  logFile = options.file === undefined ? undefined : new RotatingLogFile(options.file);
  const stream = logFile ?? options.stream ?? Deno.stderr;
  const level = options.level ?? "info";
  const stacks = level === "debug" || level === "trace";
  const pretty = options.format === "pretty" || (options.format !== "json" && stream.isTerminal());
  const colours = coloursFor(stream, options.environment);

  const format = pretty
    ? (record: LogRecord) => formatPrettyRecord(record, { stacks, colours })
    : (record: LogRecord) => formatJsonRecord(record, { stacks });
  const formatLost = (lines: number) =>
    format({
      category: ["palyra", "program", "logging"],
      level: "warning",
      message: [`${lines} log lines were left out because nobody read them.`],
      rawMessage: "",
      timestamp: Date.now(),
      properties: { lines },
    });

  configureSync({
    reset: true,
    sinks: { stream: lineSink(stream, format, formatLost) },
    loggers: [
      { category: [], sinks: ["stream"], lowestLevel: level },
      // LogTape's own troubles, without which it prints a notice about itself.
      { category: ["logtape", "meta"], lowestLevel: "error" },
    ],
  });
}
