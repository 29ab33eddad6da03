import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";

/**
 * What a peer is told of trouble that is this program's own: the real sentences name files, folders and addresses of
 * this machine, which are for its log and its own terminal.
 */
const SENTENCE_BY_REASON: Readonly<Partial<Record<ReasonCode, string>>> = {
  state_in_use: "The other side's state is in use by another of its programs; its log has the details.",
  state_damaged: "The other side's stored state is damaged; its log has the details.",
  state_read_only: "The other side cannot write its state at present; its log has the details.",
  state_not_private: "The other side's stored state is not private; its log has the details.",
  state_not_initialised: "The other side is not set up; its log has the details.",
  schema_too_new: "The other side's stored state is of a newer version than it; its log has the details.",
  invalid_config: "The other side's configuration is not valid; its log has the details.",
  listen_failed: "The other side cannot listen where it should; its log has the details.",
  runtime_unsupported: "The other side runs on a version of Deno that it does not support; its log has the details.",
  self_check_failed: "The other side failed its own check; its log has the details.",
  internal: "Something failed on the other side that should not; its log has the cause.",
};

/** The sentence that may leave this machine with `code`: a fixed one for this program's own trouble, else `message`. */
export function publicMessage({ code, message }: Pick<PalyraError, "code" | "message">): string {
  return SENTENCE_BY_REASON[code] ?? message;
}

/** Whether a peer is told something else than the real sentence, so that the log must have it. */
export function isPrivateReason(code: ReasonCode): boolean {
  return SENTENCE_BY_REASON[code] !== undefined;
}
