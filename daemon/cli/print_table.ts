import { print } from "../../transport/program/cli_output.ts";
import { coloursFor } from "../../transport/program/colour.ts";
import { type TableColumn, tableLines, terminalWidth } from "../../transport/program/terminal_table.ts";

/** Prints a table fitted to the terminal, or `empty` when it has no rows. */
export function printTable(columns: readonly TableColumn[], rows: readonly (readonly string[])[], empty: string): void {
  if (rows.length === 0) return print(empty);
  const colours = coloursFor(Deno.stdout);
  for (const line of tableLines({ columns, rows, width: terminalWidth(), paintTitle: colours.bold })) print(line);
}

/** Prints names and values under each other; values that are empty are left out. */
export function printFields(fields: readonly (readonly [name: string, value: string])[]): void {
  const colours = coloursFor(Deno.stdout);
  const rows = fields.filter(([, value]) => value !== "");
  for (const line of tableLines({ columns: [{ title: "", paint: colours.dim }, { title: "" }], rows })) print(line);
}

/** Colours a state by whether it is good, in doubt or bad. */
export function paintState(shown: string, state: string): string {
  const colours = coloursFor(Deno.stdout);
  if (GOOD.has(state)) return colours.green(shown);
  return BAD.has(state) ? colours.red(shown) : colours.yellow(shown);
}

const GOOD: ReadonlySet<string> = new Set(["connected", "paired", "completed", "approved", "succeeded", "live", "yes"]);
const BAD: ReadonlySet<string> = new Set([
  "revoked",
  "rejected",
  "failed",
  "timed_out",
  "lost",
  "cancelled",
  "dead",
  "expired",
  "denied",
  "no",
]);
