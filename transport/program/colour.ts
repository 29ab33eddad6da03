import type { EnvironmentReader } from "./environment.ts";

/** Styles for text on a terminal. Without colour each returns its text unchanged. */
export interface Colours {
  readonly enabled: boolean;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** Where text goes; `Deno.stdout` and `Deno.stderr` are such. */
export interface TerminalProbe {
  isTerminal(): boolean;
}

/**
 * Whether text for `stream` may carry colours: only on a terminal that is not `TERM=dumb`, and never when `NO_COLOR` is
 * set to anything (https://no-color.org) or the program may not read these variables.
 */
export function coloursAllowed(stream: TerminalProbe, environment: EnvironmentReader = Deno.env): boolean {
  if (!stream.isTerminal()) return false;
  try {
    return (environment.get("NO_COLOR") ?? "") === "" && environment.get("TERM") !== "dumb";
  } catch {
    return false;
  }
}

/** The styles for `stream`: {@linkcode COLOURED} where {@linkcode coloursAllowed} says so, else {@linkcode PLAIN}. */
export function coloursFor(stream: TerminalProbe, environment: EnvironmentReader = Deno.env): Colours {
  return coloursAllowed(stream, environment) ? COLOURED : PLAIN;
}

const style = (open: number, close: number) => (text: string) =>
  text === "" ? text : `\x1b[${open}m${text}\x1b[${close}m`;

/** Styles by ANSI escape sequences (ECMA-48 SGR). */
export const COLOURED: Colours = {
  enabled: true,
  bold: style(1, 22),
  dim: style(2, 22),
  red: style(31, 39),
  green: style(32, 39),
  yellow: style(33, 39),
  cyan: style(36, 39),
};

const unchanged = (text: string) => text;

/** No styles: every text as it is. */
export const PLAIN: Colours = {
  enabled: false,
  bold: unchanged,
  dim: unchanged,
  red: unchanged,
  green: unchanged,
  yellow: unchanged,
  cyan: unchanged,
};
