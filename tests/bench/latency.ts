/** What a run of calls showed. */
export interface Latency {
  readonly calls: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly perSecond: number;
}

/**
 * Calls `once` over and over with `inFlight` at a time, for about `durationMs` milliseconds; with `pauseMs` each rests
 * that long before the next, outside of what is measured.
 */
export async function measure(
  once: () => Promise<unknown>,
  inFlight: number,
  durationMs: number,
  pauseMs = 0,
): Promise<number[]> {
  const samples: number[] = [];
  const until = performance.now() + durationMs;
  const worker = async () => {
    while (performance.now() < until) {
      // deno-lint-ignore no-await-in-loop -- one call after the other is what is measured
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const start = performance.now();
      // deno-lint-ignore no-await-in-loop -- one call after the other is what is measured
      await once();
      samples.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return samples;
}

/** Percentiles of samples taken over `elapsedMs` in all. */
export function summarise(samples: readonly number[], elapsedMs: number): Latency {
  const sorted = [...samples].sort((left, right) => left - right);
  const at = (fraction: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? NaN;
  return { calls: sorted.length, p50: at(0.5), p99: at(0.99), perSecond: sorted.length / (elapsedMs / 1000) };
}
