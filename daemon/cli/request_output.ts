import type { RequestView } from "../../proto/gen/admin.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isReasonCode } from "../../identity/reason_code.ts";
import { reportLine } from "../../transport/program/cli_output.ts";
import { type ExitCode, exitCodeOf } from "../../transport/program/exit_code.ts";
import { printableText } from "../../transport/program/printable_text.ts";
import { printForeign, printView } from "./print_view.ts";

const utf8 = new TextDecoder();

const ENDS: ReadonlyMap<string, string> = new Map([
  ["failed", "failed"],
  ["timed_out", "timed out"],
  ["rejected", "was refused"],
  ["cancelled", "was cancelled"],
  ["lost", "was lost"],
]);

/** Prints how a request ended, its output alone on standard output; returns the exit code that tells the end. */
export function reportRequest(request: RequestView, json: boolean): ExitCode {
  if (json) printView(request);
  if (request.state === "succeeded" || request.completedAtUnixMs === 0) {
    if (!json) printForeign(utf8.decode(request.outputJson) || `${request.requestId} ${request.state}`);
    return 0;
  }
  const code = isReasonCode(request.errorCode) ? request.errorCode : "execution_failed";
  if (!json) {
    reportLine(
      `error: the request ${ENDS.get(request.state) ?? request.state}: ${printableText(request.error)} [${code}]`,
    );
  }
  return exitCodeOf(new PalyraError(code, request.error));
}
