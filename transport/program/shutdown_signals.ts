import { PalyraError } from "../../identity/palyra_error.ts";

/** What {@linkcode shutdownSignal} returns. */
export interface ShutdownSignal extends Disposable {
  /** Aborts with `cancelled` at the first request to stop. */
  readonly signal: AbortSignal;
  /** Stops listening; what comes then does what it does by default: it ends the process at once. */
  dispose(): void;
}

/** Requests to stop and their numbers. Windows knows no SIGTERM; its Ctrl-Break comes as SIGBREAK. */
const STOP_SIGNALS: ReadonlyMap<Deno.Signal, number> = Deno.build.os === "windows"
  ? new Map([["SIGINT", 2], ["SIGBREAK", 21]])
  : new Map([["SIGINT", 2], ["SIGTERM", 15]]);

/**
 * Listens for SIGTERM and Ctrl-C. The first one asks for a graceful end by aborting the signal; the second one, of either
 * kind, exits at once with 128 + its number, as shells do: 143 or 130 (design section 7).
 */
export function shutdownSignal(): ShutdownSignal {
  const controller = new AbortController();
  const listeners = [...STOP_SIGNALS].map(([name, number]) => {
    const listener = () => {
      if (controller.signal.aborted) Deno.exit(128 + number);
      controller.abort(new PalyraError("cancelled", `Stopped by ${name}.`));
    };
    Deno.addSignalListener(name, listener);
    return { name, listener };
  });
  const dispose = () => {
    for (const { name, listener } of listeners.splice(0)) Deno.removeSignalListener(name, listener);
  };
  return { signal: controller.signal, dispose, [Symbol.dispose]: dispose };
}
