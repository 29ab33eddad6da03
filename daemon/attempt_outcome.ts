import type { ReasonCode } from "../identity/reason_code.ts";
import type { AttemptResult } from "./capability_dispatch_record.ts";
import type { RequestState } from "./request_state.ts";
import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";

/** Codes by which a node says that it did not try. */
const REFUSALS: ReadonlySet<string> = new Set<ReasonCode>([
  "capability_denied",
  "capability_unavailable",
  "capability_not_found",
  "mediation_required",
  "mediation_denied",
  "mediation_timed_out",
  "too_many_questions",
  "permission_missing",
  // Its journal could not be written, so it did not begin.
  "state_read_only",
  "state_damaged",
]);

/** The node's clock may tell the deadline a moment before the daemon's: it is the same end. */
const DEADLINE_PASSED: ReasonCode = "deadline_exceeded";

function stateOf(errorCode: string): RequestState {
  if (errorCode === DEADLINE_PASSED) return "timed_out";
  return REFUSALS.has(errorCode) ? "rejected" : "failed";
}

/** How a node's result ends a request; `outputError` tells what the capability's own schema says of the output. */
export function endOf(
  record: CapabilityRequestRecord,
  result: AttemptResult,
  outputError: (outputJson: Uint8Array) => string | undefined = () => undefined,
): { state: RequestState; changes: Partial<CapabilityRequestRecord> } {
  if (!result.success) {
    const state = stateOf(result.errorCode);
    return { state, changes: { errorCode: result.errorCode, error: result.error } };
  }
  if (result.outputJson.length > record.maxPayloadBytes) {
    const error = `The output has ${result.outputJson.length} bytes; the caller allowed ${record.maxPayloadBytes}.`;
    return { state: "failed", changes: { errorCode: "output_too_large", error } };
  }
  const error = outputError(result.outputJson);
  if (error !== undefined) return { state: "failed", changes: { errorCode: "invalid_output", error: `${error}.` } };
  return { state: "succeeded", changes: { outputJson: result.outputJson } };
}

/** Whether a request that has ended did so by this very attempt's result: it then comes a second time. */
export function endedByResultOf(record: CapabilityRequestRecord, attempt: number): boolean {
  if (record.attempt !== attempt) return false;
  const { state, errorCode } = record;
  return state === "succeeded" || state === "rejected" ||
    state === "failed" && errorCode !== ("node_disconnected" satisfies ReasonCode);
}
