import type { PalyraError } from "../../../identity/palyra_error.ts";
import type { ReasonCode } from "../../../identity/reason_code.ts";
import { causeAndCure } from "./cause_and_cure.ts";

/** How a check came out. `skipped`: there was nothing to look at, or something else has to be mended first. */
export type CheckOutcome = Finding["outcome"];

/** What a check has found: a sentence about what was seen, and for all but `ok` one about what to do. */
export type Finding =
  | { readonly outcome: "ok"; readonly seen: string }
  | { readonly outcome: "skipped"; readonly seen: string; readonly cure: string }
  | {
    readonly outcome: "warning" | "failed";
    readonly seen: string;
    readonly cure: string;
    readonly code: ReasonCode;
  };

/** All is as it should be. */
export function ok(seen: string): Finding {
  return { outcome: "ok", seen };
}

/** It works, but not as well as it could, or not for long. */
export function warning(code: ReasonCode, seen: string, cure: string): Finding {
  return { outcome: "warning", code, seen, cure };
}

/** It does not work. */
export function failed(code: ReasonCode, seen: string, cure: string): Finding {
  return { outcome: "failed", code, seen, cure };
}

/** It was not looked at. */
export function skipped(seen: string, cure: string): Finding {
  return { outcome: "skipped", seen, cure };
}

/** It was not looked at, because what `check` has found is in the way. */
export function skippedFor(check: string): Finding {
  return skipped("Not looked at.", `First do what \`${check}\` says.`);
}

/** A failure as a finding: its message in its two parts. */
export function findingOf(
  outcome: "warning" | "failed",
  { code, message }: PalyraError,
  otherwise = "Run it again with `--json`, and report what it says as a fault of this program.",
): Finding {
  const { cause, cure } = causeAndCure(message);
  return { outcome, code, seen: cause, cure: cure || otherwise };
}
