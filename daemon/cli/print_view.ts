import { print, printJson } from "../../transport/program/cli_output.ts";
import { printableText } from "../../transport/program/printable_text.ts";
import { jsonView } from "./json_view.ts";

/** What a terminal might obey or hide: control and format characters and line separators, line feeds aside. */
const UNPRINTABLE = /[^\P{C}\n]|[\u2028\u2029]/gu;

/**
 * Prints a message as JSON ({@linkcode jsonView}). On a terminal the texts in it, which nodes may have made, are escaped
 * as far as JSON itself does not do it.
 */
export function printView(message: unknown): void {
  const view = jsonView(message);
  if (Deno.stdout.isTerminal()) print(terminalJson(view));
  else printJson(view);
}

/** JSON for people: indented, and with JSON's own escapes for all that a terminal might obey. */
export function terminalJson(value: unknown): string {
  const escaped = (character: string) =>
    character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
  return JSON.stringify(value, null, 2).replace(UNPRINTABLE, escaped);
}

/** Prints text that came from a node or device: made visible for a terminal, else as it is, for programs. */
export function printForeign(text: string): void {
  print(Deno.stdout.isTerminal() ? printableText(text) : text);
}
