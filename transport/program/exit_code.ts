import type { PalyraError } from "../../identity/palyra_error.ts";
import { type ReasonCode, type ReasonKind, reasonKind } from "../../identity/reason_code.ts";

/** How a program ended, as scripts see it. The numbers are those of the original and never change meaning. */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** Everything asked for was done. */
export const EXIT_OK: ExitCode = 0;

/** What each exit code means, for people. */
export const EXIT_CODE_MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: "everything asked for was done",
  1: "a fault in the program",
  2: "the command line, the input or the configuration is wrong",
  3: "an identity was not accepted",
  4: "not reachable, out of time, out of room, or cancelled",
  5: "not supported here",
  6: "refused by policy, or a permission is missing",
  7: "not in the state that this needs",
  8: "there is no such thing",
};

const EXIT_CODE_BY_KIND: Readonly<Record<ReasonKind, ExitCode>> = {
  internal: 1,
  validation: 2,
  authentication: 3,
  connectivity: 4,
  exhausted: 4,
  deadline: 4,
  cancelled: 4,
  unsupported: 5,
  policy: 6,
  precondition: 7,
  not_found: 8,
};

/** The exit code of a program that ends because of `error`. */
export function exitCodeOf(error: PalyraError): ExitCode {
  return exitCodeOfReason(error.code);
}

/** The exit code of a program that ends for this reason. */
export function exitCodeOfReason(code: ReasonCode): ExitCode {
  return EXIT_CODE_BY_KIND[reasonKind(code)];
}
