/**
 * The stable codes by which a program tells refusals and failures apart. They travel in gRPC trailers, in Goodbye
 * messages and in `--json` output; their names never change meaning.
 */
const KIND_BY_REASON = {
  // The request itself is wrong; repeating it unchanged cannot help.
  invalid_argument: "validation",
  invalid_device_id: "validation",
  invalid_certificate_request: "validation",
  invalid_input: "validation",
  invalid_output: "validation",
  invalid_config: "validation",
  invalid_pairing_token: "validation",
  invalid_pairing_message: "validation",
  output_too_large: "validation",
  message_too_large: "validation",
  protocol_mismatch: "validation",

  // Who is asking could not be established.
  certificate_missing: "authentication",
  certificate_untrusted: "authentication",
  certificate_expired: "authentication",
  certificate_not_yet_valid: "authentication",
  certificate_revoked: "authentication",
  certificate_superseded: "authentication",
  device_unknown: "authentication",
  device_revoked: "authentication",
  daemon_untrusted: "authentication",
  pairing_proof_failed: "authentication",
  recovery_proof_failed: "authentication",

  // Known, but not allowed.
  device_mismatch: "policy",
  not_an_operator: "policy",
  wrong_listener: "policy",
  recovery_forbidden: "policy",
  capability_not_granted: "policy",
  capability_denied: "policy",
  capability_unavailable: "policy",
  mediation_required: "policy",
  mediation_denied: "policy",
  mediation_timed_out: "policy",
  permission_missing: "policy",

  // The world is not in the state that this needs.
  pairing_code_unknown: "precondition",
  pairing_code_expired: "precondition",
  pairing_code_spent: "precondition",
  pairing_code_dead: "precondition",
  pairing_session_unknown: "precondition",
  pairing_session_expired: "precondition",
  pairing_decided: "precondition",
  recovery_unknown: "precondition",
  pairing_rejected: "precondition",
  pairing_expired: "precondition",
  device_id_taken: "precondition",
  device_already_paired: "precondition",
  not_paired: "precondition",
  node_not_registered: "precondition",
  request_ended: "precondition",
  event_gap: "precondition",
  state_in_use: "precondition",
  state_damaged: "precondition",
  state_restored: "precondition",
  state_read_only: "precondition",
  state_not_private: "precondition",
  state_not_initialised: "precondition",
  secret_not_sealed: "precondition",
  sealing_key_missing: "precondition",
  sealing_key_wrong: "precondition",
  sealing_unfinished: "precondition",
  audit_broken: "precondition",
  schema_too_new: "precondition",
  host_not_running: "precondition",
  runtime_unsupported: "precondition",
  self_check_failed: "precondition",
  clock_off: "precondition",
  rotation_not_begun: "precondition",
  rotation_under_way: "precondition",
  nodes_not_ready: "precondition",
  service_not_installed: "precondition",
  service_installed_differently: "precondition",
  service_manager_unavailable: "precondition",
  service_command_failed: "precondition",

  request_not_found: "not_found",
  device_not_found: "not_found",
  certificate_not_found: "not_found",
  node_not_found: "not_found",
  pairing_not_found: "not_found",
  capability_not_found: "not_found",
  question_not_found: "not_found",

  // Out of room for now.
  queue_full: "exhausted",
  too_many_pairing_sessions: "exhausted",
  too_many_questions: "exhausted",
  rate_limited: "exhausted",
  slow_peer: "exhausted",
  connection_limit: "exhausted",
  stream_limit: "exhausted",

  daemon_unreachable: "connectivity",
  listen_failed: "connectivity",
  connection_lost: "connectivity",
  keep_alive_missed: "connectivity",
  handshake_timeout: "connectivity",
  idle_timeout: "connectivity",
  session_replaced: "connectivity",
  shutting_down: "connectivity",
  node_disconnected: "connectivity",

  deadline_exceeded: "deadline",
  ttl_expired: "deadline",
  cancelled: "cancelled",
  outcome_unknown: "internal",
  execution_failed: "internal",

  unsupported: "unsupported",
  internal: "internal",
} as const;

/** A stable code of a refusal or failure. */
export type ReasonCode = keyof typeof KIND_BY_REASON;

/** The family of a reason: decides the gRPC status and the exit code. */
export type ReasonKind = (typeof KIND_BY_REASON)[ReasonCode];

/** Every reason code, family by family. */
export const REASON_CODES: readonly ReasonCode[] = Object.keys(KIND_BY_REASON).filter(isReasonCode);

/** The family `code` belongs to. */
export function reasonKind(code: ReasonCode): ReasonKind {
  return KIND_BY_REASON[code];
}

/** Whether a text from a peer is a reason code this version knows. */
export function isReasonCode(text: string): text is ReasonCode {
  return Object.hasOwn(KIND_BY_REASON, text);
}
