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
  return answering((call) => handle(call.request, new AuthorizedCallContext(call, authorizedPeer(call, authorize))));
}

/** A handler for a listener without client certificates. */
export function openUnaryHandler<Request, Response>(
  handle: (request: Request, context: OpenCallContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return answering((call) => handle(call.request, new LazyCallContext(call)));
}

function answering<Request, Response>(
  run: (call: ServerUnaryCall<Request, Response>) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return async (call, callback) => {
    let response: Response;
    try {
      response = await run(call);
    } catch (error) {
      callback(failedCall(call.getPath(), error));
      return;
    }
    callback(null, response);
  };
}

type AnyUnaryCall = ServerUnaryCall<unknown, unknown>;

/** Its parts are made on demand: most handlers ask for none of them, and each costs something at every call. */
class LazyCallContext implements OpenCallContext {
  readonly #call: AnyUnaryCall;
  #signal: AbortSignal | undefined;

  constructor(call: AnyUnaryCall) {
    this.#call = call;
  }

  get remoteAddress(): string {
    return remoteAddressOf(this.#call);
  }

  get signal(): AbortSignal {
    return this.#signal ??= callSignal(this.#call);
  }
}

class AuthorizedCallContext extends LazyCallContext implements CallContext {
  readonly peer: PeerCertificate;

  constructor(call: AnyUnaryCall, peer: PeerCertificate) {
    super(call);
    this.peer = peer;
  }
}
