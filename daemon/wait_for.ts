import { PalyraError } from "../identity/palyra_error.ts";

/** Resolves with `promise`, or rejects when `signal` aborts first. */
export function waitFor(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(new PalyraError("cancelled", "The caller stopped waiting; the request goes on."));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(() => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    }, reject);
  });
}
