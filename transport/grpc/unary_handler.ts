import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import type { Authorize, PeerCertificate } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { remoteAddressOf } from "./call_peer.ts";
import { callSignal } from "./call_signal.ts";
import { failedCall } from "./failed_call.ts";

/** What a handler knows of a call on a listener that asks for no certificate. */
export interface OpenCallContext {
  /** `address:port`. */
  readonly remoteAddress: string;
  /** Fires when the caller is gone or its deadline is over; nobody reads the answer then. */
  readonly signal: AbortSignal;
}

/** What a handler knows of a call whose caller showed a certificate. */
export interface CallContext extends OpenCallContext {
  readonly peer: PeerCertificate;
}

/**
 * A handler for a listener with client certificates: `authorize` is asked again for each call.
 *
 * What `handle` throws reaches the caller as {@linkcode toServiceError} puts it.
 */
export function unaryHandler<Request, Response>(
  authorize: Authorize,
  handle: (request: Request, context: CallContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return answering((call, context) => handle(call.request, { ...context, peer: authorizedPeer(call, authorize) }));
}

/** A handler for a listener without client certificates. */
export function openUnaryHandler<Request, Response>(
  handle: (request: Request, context: OpenCallContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return answering((call, context) => handle(call.request, context));
}

function answering<Request, Response>(
  run: (call: ServerUnaryCall<Request, Response>, context: OpenCallContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return async (call, callback) => {
    let response: Response;
    try {
      response = await run(call, { remoteAddress: remoteAddressOf(call), signal: callSignal(call) });
    } catch (error) {
      callback(failedCall(call.getPath(), error));
      return;
    }
    callback(null, response);
  };
}
