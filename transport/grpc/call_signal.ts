import type { EventEmitter } from "node:events";
import { PalyraError } from "../../identity/palyra_error.ts";

/** What a signal needs of a call of any shape. */
export type CancellableCall = EventEmitter & { readonly cancelled: boolean };

/** An AbortSignal for as long as a call is being answered. */
export interface CallSignal {
  /** Fires with `cancelled` when the caller of a gRPC call is gone or its deadline is over. */
  readonly signal: AbortSignal;
  /** The call has been answered: grpc-js reports every call as cancelled once its stream is closed, answered or not. */
  release(): void;
}

/** Follows a call until it is released. */
export function followCall(call: CancellableCall): CallSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new PalyraError("cancelled", "The caller gave up before the call had ended."));
  if (call.cancelled) abort();
  else call.once("cancelled", abort);
  return { signal: controller.signal, release: () => call.off("cancelled", abort) };
}

/** The signal of a call that nobody releases: it fires at the end of the call at the latest. */
export function callSignal(call: CancellableCall): AbortSignal {
  return followCall(call).signal;
}
