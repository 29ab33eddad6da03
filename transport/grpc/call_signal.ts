import type { EventEmitter } from "node:events";
import { PalyraError } from "../../identity/palyra_error.ts";

/** An AbortSignal that fires with `cancelled` when the caller of a gRPC call is gone or its deadline is over. */
export function callSignal(call: EventEmitter & { readonly cancelled: boolean }): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort(new PalyraError("cancelled", "The caller gave up before the call had ended."));
  if (call.cancelled) abort();
  else call.once("cancelled", abort);
  return controller.signal;
}
