import { REASON_CURES } from "../../../identity/reason_cure.ts";
import { REASON_CODES, type ReasonCode, type ReasonKind, reasonKind } from "../../../identity/reason_code.ts";
import { REASON_MEANINGS } from "../../../identity/reason_meaning.ts";
import { type ExitCode, exitCodeOfReason } from "../exit_code.ts";

/** All there is to say of one reason code. */
export interface ReasonRow {
  readonly code: ReasonCode;
  readonly kind: ReasonKind;
  /** With which a command ends that fails for this reason. */
  readonly exitCode: ExitCode;
  readonly meaning: string;
  readonly cure: string;
}

/** One reason code. */
export function reasonRow(code: ReasonCode): ReasonRow {
  return {
    code,
    kind: reasonKind(code),
    exitCode: exitCodeOfReason(code),
    meaning: REASON_MEANINGS[code],
    cure: REASON_CURES[code],
  };
}

/** Every reason code, family by family. */
export function reasonRows(): ReasonRow[] {
  return REASON_CODES.map(reasonRow);
}
