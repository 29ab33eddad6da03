import { print, printJson } from "../cli_output.ts";
import { coloursFor } from "../colour.ts";
import type { ExitCode } from "../exit_code.ts";
import { terminalWidth } from "../terminal_table.ts";
import { doctorExitCode, doctorJson, doctorLines, type DoctorReport } from "./doctor_report.ts";

/** Prints a report, in colours on a terminal, or as JSON; the answer is the exit code that fits it. */
export function printReport(report: DoctorReport, { json }: { readonly json: boolean }): ExitCode {
  if (json) {
    printJson(doctorJson(report));
  } else {
    const lines = doctorLines(report, { width: terminalWidth(), colours: coloursFor(Deno.stdout) });
    for (const line of lines) print(line);
  }
  return doctorExitCode(report);
}
