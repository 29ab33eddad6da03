import type { handleUnaryCall, ServerUnaryCall } from "@grpc/grpc-js";
import type { Authorize, PeerCertificate } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { remoteAddressOf } from "./call_peer.ts";
import { type CallSignal, followCall } from "./call_signal.ts";
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
  return answering<Request, Response, AuthorizedCallContext>(
    (call) => new AuthorizedCallContext(call, authorizedPeer(call, authorize)),
    handle,
  );
}

/** A handler for a listener without client certificates. */
export function openUnaryHandler<Request, Response>(
  handle: (request: Request, context: OpenCallContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return answering<Request, Response, LazyCallContext>((call) => new LazyCallContext(call), handle);
}

function answering<Request, Response, Context extends LazyCallContext>(
  contextOf: (call: ServerUnaryCall<Request, Response>) => Context,
  handle: (request: Request, context: Context) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return async (call, callback) => {
    let context: Context | undefined;
    let response: Response;
    try {
      context = contextOf(call);
      response = await handle(call.request, context);
    } catch (error) {
      callback(failedCall(call.getPath(), error));
      return;
    } finally {
      context?.release();
    }
    callback(null, response);
  };
}

type AnyUnaryCall = ServerUnaryCall<unknown, unknown>;

/** Its parts are made on demand: most handlers ask for none of them, and each costs something at every call. */
class LazyCallContext implements OpenCallContext {
  readonly #call: AnyUnaryCall;
  #following: CallSignal | undefined;

  constructor(call: AnyUnaryCall) {
    this.#call = call;
  }

  get remoteAddress(): string {
    return remoteAddressOf(this.#call);
  }

  get signal(): AbortSignal {
    return (this.#following ??= followCall(this.#call)).signal;
  }

  /** The handler has answered. */
  release(): void {
    this.#following?.release();
  }
}

class AuthorizedCallContext extends LazyCallContext implements CallContext {
  readonly peer: PeerCertificate;

  constructor(call: AnyUnaryCall, peer: PeerCertificate) {
    super(call);
    this.peer = peer;
  }
}
