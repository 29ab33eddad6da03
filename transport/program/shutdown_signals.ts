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

/** The same signal again within this time, in milliseconds, is an echo of the first. */
const ECHO_MS = 500;

/**
 * Listens for SIGTERM and Ctrl-C. The first one asks for a graceful end by aborting the signal; the second one, of either
 * kind, exits at once with 128 + its number, as shells do: 143 or 130 (design section 7).
 *
 * Ctrl-C under a task runner comes twice, from the terminal and from the runner that passes it on. So a signal of the
 * same kind right after the first is not a second request.
 */
export function shutdownSignal(): ShutdownSignal {
  const controller = new AbortController();
  let first: { readonly name: Deno.Signal; readonly at: number } | undefined;
  const listeners = [...STOP_SIGNALS].map(([name, number]) => {
    const listener = () => {
      const now = performance.now();
      if (first?.name === name && now - first.at < ECHO_MS) return;
      if (first !== undefined) Deno.exit(128 + number);
      first = { name, at: now };
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
