import { Metadata, type ServerErrorResponse, status } from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import { isReasonCode, type ReasonCode, type ReasonKind, reasonKind } from "../../identity/reason_code.ts";
import { connectFailure } from "./connect_failure.ts";
import { peerMessage } from "../peer_message.ts";
import { publicMessage } from "../public_message.ts";

/** The trailing metadata key that carries a {@linkcode ReasonCode}. */
export const REASON_METADATA_KEY = "palyra-reason";

const STATUS_BY_KIND: Readonly<Record<ReasonKind, status>> = {
  validation: status.INVALID_ARGUMENT,
  authentication: status.UNAUTHENTICATED,
  policy: status.PERMISSION_DENIED,
  precondition: status.FAILED_PRECONDITION,
  not_found: status.NOT_FOUND,
  exhausted: status.RESOURCE_EXHAUSTED,
  connectivity: status.UNAVAILABLE,
  deadline: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  unsupported: status.UNIMPLEMENTED,
  internal: status.INTERNAL,
};

/** A status without a reason: what it means here, and what to do about it. UNAVAILABLE is told apart by its details. */
const MEANING_BY_STATUS: Readonly<Record<number, readonly [ReasonCode, string]>> = {
  [status.CANCELLED]: ["cancelled", "The call was cancelled."],
  [status.INVALID_ARGUMENT]: ["invalid_argument", "The other side did not accept the request as well-formed."],
  [status.OUT_OF_RANGE]: ["invalid_argument", "The other side did not accept the request as well-formed."],
  [status.DEADLINE_EXCEEDED]: [
    "deadline_exceeded",
    "No answer came before the deadline. Check with `status` that the daemon runs, or allow more time.",
  ],
  [status.NOT_FOUND]: ["request_not_found", "The other side does not know what was asked for."],
  [status.ALREADY_EXISTS]: ["invalid_argument", "What was to be made exists already."],
  [status.PERMISSION_DENIED]: ["wrong_listener", "The other side does not allow this call on this connection."],
  [status.UNAUTHENTICATED]: ["certificate_untrusted", "The other side does not accept this machine's certificate."],
  [status.RESOURCE_EXHAUSTED]: [
    "message_too_large",
    "A message was larger than the limit of 4 MiB, or the other side is out of room. Send less, or try again later.",
  ],
  [status.FAILED_PRECONDITION]: ["protocol_mismatch", "The other side cannot do this in its present state."],
  [status.ABORTED]: ["connection_lost", "The other side gave up the call. Try again."],
  [status.UNIMPLEMENTED]: [
    "unsupported",
    "The other side does not offer this call: it is another version, or the port belongs to another listener.",
  ],
};

/**
 * A refusal as grpc-js takes it from a handler: status by kind, reason in the trailers, nothing of the cause, and of
 * this program's own trouble no more than {@linkcode publicMessage} says.
 */
export function toServiceError(error: PalyraError): ServerErrorResponse {
  const metadata = new Metadata();
  metadata.set(REASON_METADATA_KEY, error.code);
  const message = publicMessage(error);
  return { name: "ServiceError", message, code: statusOf(error.code), details: message, metadata };
}

/** The gRPC status of a reason, by its kind. */
export function statusOf(code: ReasonCode): status {
  return STATUS_BY_KIND[reasonKind(code)];
}

/** The trailers of a refusal that is answered outside grpc-js (gRPC over HTTP/2, "Responses"). */
export function refusalTrailers(error: PalyraError): Record<string, string> {
  return {
    "grpc-status": String(statusOf(error.code)),
    // grpc-js decodes with decodeURI.
    "grpc-message": encodeURI(publicMessage(error).toWellFormed()),
    [REASON_METADATA_KEY]: error.code,
  };
}

/**
 * What a failed call means to its caller.
 *
 * A refusal by our own daemon keeps its code and message. Any other failure (the connection, TLS, a server of another
 * make) gets the code and message that fit it; what grpc-js said is kept as the cause.
 */
export function fromServiceError(error: unknown): PalyraError {
  if (error instanceof PalyraError) return error;
  if (!isStatusLike(error)) return PalyraError.from(error);
  const reason = error.metadata?.get(REASON_METADATA_KEY)[0];
  if (typeof reason === "string" && isReasonCode(reason)) {
    return new PalyraError(reason, peerMessage(error.details), { cause: error });
  }
  if (error.code === status.UNAVAILABLE) return connectFailure(error.details, error);
  const [code, message] = MEANING_BY_STATUS[error.code] ??
    ["internal", "The other side failed at this call; its log has the cause."];
  return new PalyraError(code, message, { cause: error });
}

/** Whether a failed call was refused by the other side, which said why, rather than lost on the way. */
export function hasReason(error: unknown): boolean {
  return isStatusLike(error) && (error.metadata?.get(REASON_METADATA_KEY).length ?? 0) > 0;
}

interface StatusLike {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata | undefined;
}

function isStatusLike(error: unknown): error is StatusLike {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "number" &&
    "details" in error && typeof error.details === "string" &&
    (!("metadata" in error) || error.metadata === undefined || error.metadata instanceof Metadata);
}
