import { type CallOptions, type Client, type ClientUnaryCall, Metadata, type ServiceError } from "@grpc/grpc-js";
import { PalyraError } from "../../identity/palyra_error.ts";
import { DEFAULT_CALL_DEADLINE_MS } from "../transport_limits.ts";
import { fromServiceError } from "./grpc_status.ts";

/** A unary method of a generated client. */
export type UnaryMethod<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** How long a call may take and what ends it early. */
export interface UnaryCallOptions {
  /** Defaults to {@linkcode DEFAULT_CALL_DEADLINE_MS}. */
  readonly deadlineMs?: number;
  /** Ends the call with `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * Calls `method` of `client` and waits for the answer: `await callUnary(client, client.registerNode, request)`.
 *
 * Rejects with the {@linkcode PalyraError} that the other side gave, or with the one that says what went wrong on the
 * way ({@linkcode fromServiceError}). Every call has a deadline.
 */
export async function callUnary<Request, Response>(
  client: Client,
  method: UnaryMethod<Request, Response>,
  request: Request,
  { deadlineMs = DEFAULT_CALL_DEADLINE_MS, signal }: UnaryCallOptions = {},
): Promise<Response> {
  if (signal?.aborted) throw callCancelled(signal);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const call = method.call(
    client,
    request,
    new Metadata(),
    { deadline: Date.now() + deadlineMs },
    (error, response) => error === null ? resolve(response) : reject(error),
  );
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    return await promise;
  } catch (error) {
    throw signal?.aborted ? callCancelled(signal) : fromServiceError(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
}

/** What a call that its caller's signal has ended rejects with. */
export function callCancelled(signal: AbortSignal): PalyraError {
  return new PalyraError("cancelled", "The call was cancelled.", { cause: signal.reason });
}
