import { type CallOptions, type Client, type ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { fromServiceError } from "./grpc_status.ts";
import { callCancelled } from "./unary_call.ts";

/** A server-streaming method of a generated client. */
export type ServerStreamMethod<Request, Response> = (
  request: Request,
  metadata?: Metadata,
  options?: Partial<CallOptions>,
) => ClientReadableStream<Response>;

/** How long a stream may last and what ends it early. */
export interface ServerStreamCallOptions {
  /** How long the whole stream may last; without limit when it is not given. */
  readonly deadlineMs?: number;
  /** Ends the stream with `cancelled`. */
  readonly signal?: AbortSignal;
}

/**
 * Calls `method` of `client` and yields what the other side sends, no faster than it is taken. Leaving the loop
 * cancels the call. Throws like {@linkcode callUnary}.
 */
export async function* callServerStream<Request, Response>(
  client: Client,
  method: ServerStreamMethod<Request, Response>,
  request: Request,
  { deadlineMs, signal }: ServerStreamCallOptions = {},
): AsyncGenerator<Response, void> {
  if (signal?.aborted) throw callCancelled(signal);
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  const call = method.call(client, request, new Metadata(), options);
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  // What ends the loop is seen there; an error after the loop was left is nobody's.
  call.on("error", () => {});
  try {
    for await (const response of call) yield response as Response;
  } catch (error) {
    throw signal?.aborted ? callCancelled(signal) : fromServiceError(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
    call.cancel();
  }
}
