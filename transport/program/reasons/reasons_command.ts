import { PalyraError } from "../../../identity/palyra_error.ts";
import { isReasonCode, REASON_CODES } from "../../../identity/reason_code.ts";
import { type CliCommand, newCommand } from "../cli_command.ts";
import { print, printJson } from "../cli_output.ts";
import { nearestName } from "../nearest_name.ts";
import { tableLines, terminalWidth } from "../terminal_table.ts";
import { type ReasonRow, reasonRow, reasonRows } from "./reason_row.ts";

/** `palyrad reasons` and `palyra-node reasons`: what each reason code says, and what to do. */
export function reasonsCommand(program: "palyrad" | "palyra-node"): CliCommand {
  const command = newCommand("reasons", "Say what a reason code means, and what to do about it.", [
    { command: `${program} reasons certificate_expired`, explanation: "one of them" },
    { command: `${program} reasons --json`, explanation: "all of them, for programs" },
  ]);
  command.argument("[code]", "the code, as it stands in brackets behind an error").action((code, options) => {
    if (code !== undefined) return showOne(knownRow(code), options.json === true);
    const rows = reasonRows();
    if (options.json === true) return printJson({ reasons: rows.map(rowJson) });
    const lines = tableLines({
      columns: [{ title: "CODE" }, { title: "EXIT" }, { title: "WHAT IT SAYS" }],
      rows: rows.map(({ code, exitCode, meaning }) => [code, String(exitCode), meaning]),
      width: terminalWidth(),
    });
    for (const line of lines) print(line);
  });
  return command;
}

function knownRow(code: string): ReasonRow {
  const name = code.toLowerCase().replace(/^reason_code_/, "");
  if (isReasonCode(name)) return reasonRow(name);
  throw new PalyraError(
    "invalid_argument",
    `There is no reason code of that name. Did you mean ${nearestName(name, REASON_CODES)}?`,
  );
}

function showOne(row: ReasonRow, json: boolean): void {
  if (json) return printJson(rowJson(row));
  print(`${row.code} (${row.kind}, exit code ${row.exitCode})`);
  print(row.meaning);
  print(`→ ${row.cure}`);
}

function rowJson({ code, kind, exitCode, meaning, cure }: ReasonRow) {
  return { code, kind, exit_code: exitCode, meaning, cure };
}
