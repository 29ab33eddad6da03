import { once } from "node:events";
import type { handleServerStreamingCall, ServerWritableStream } from "@grpc/grpc-js";
import type { Authorize } from "../session.ts";
import { authorizedPeer } from "./authorized_peer.ts";
import { remoteAddressOf } from "./call_peer.ts";
import { callSignal } from "./call_signal.ts";
import { failedCall } from "./failed_call.ts";
import type { CallContext, OpenCallContext } from "./unary_handler.ts";

/**
 * A server-streaming handler for a listener with client certificates: `authorize` is asked again for each call.
 *
 * `handle` yields the responses. It is asked for the next one only when the caller takes it, and it must end when its
 * signal fires. What it throws reaches the caller as {@linkcode toServiceError} puts it.
 */
export function serverStreamHandler<Request, Response>(
  authorize: Authorize,
  handle: (request: Request, context: CallContext) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return streaming((call, context) => handle(call.request, { ...context, peer: authorizedPeer(call, authorize) }));
}

/** The same for a listener without client certificates. */
export function openServerStreamHandler<Request, Response>(
  handle: (request: Request, context: OpenCallContext) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return streaming((call, context) => handle(call.request, context));
}

function streaming<Request, Response>(
  run: (call: ServerWritableStream<Request, Response>, context: OpenCallContext) => AsyncIterable<Response>,
): handleServerStreamingCall<Request, Response> {
  return async (call) => {
    const signal = callSignal(call);
    try {
      for await (const response of run(call, { remoteAddress: remoteAddressOf(call), signal })) {
        if (signal.aborted) return;
        if (!call.write(response)) await once(call, "drain", { signal });
      }
      call.end();
    } catch (error) {
      // A caller that is gone needs no status, and the handler's own reaction to that is no failure.
      if (!signal.aborted) call.emit("error", failedCall(call.getPath(), error));
    }
  };
}
