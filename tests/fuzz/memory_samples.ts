/** What a process held in memory over a run, in bytes; the thirds by their medians. */
export interface MemoryReport {
  readonly samples: number;
  readonly firstThird: number;
  readonly lastThird: number;
  readonly peak: number;
}

/**
 * What memory may grow by from the first to the last third and still count as level: a little, and the heap's own play.
 * What the native library holds for a connection that is over is freed when the garbage collector gets to it.
 */
const GROWTH = 1.15;
const PLAY_BYTES = 16 * 1024 * 1024;

/** Samples the resident set of a process at even distances. */
export class MemorySamples implements AsyncDisposable {
  readonly #pid: number;
  readonly #samples: { readonly at: number; readonly bytes: number }[] = [];
  readonly #stop = new AbortController();
  readonly #sampling: Promise<void>;

  private constructor(pid: number, everyMs: number) {
    this.#pid = pid;
    this.#sampling = this.#sample(everyMs);
  }

  static start(pid: number, everyMs = 250): MemorySamples {
    return new MemorySamples(pid, everyMs);
  }

  /** What was seen from `since` (`performance.now()`) to now. */
  report(since: number): MemoryReport {
    const all = this.#samples.filter(({ at }) => at >= since).map(({ bytes }) => bytes);
    const third = Math.floor(all.length / 3);
    return {
      samples: all.length,
      firstThird: median(all.slice(0, third)),
      lastThird: median(all.slice(-third)),
      peak: Math.max(...all),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#sampling;
  }

  async #sample(everyMs: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // deno-lint-ignore no-await-in-loop -- one sample after the other
      const bytes = await residentBytes(this.#pid);
      if (bytes !== undefined) this.#samples.push({ at: performance.now(), bytes });
      // deno-lint-ignore no-await-in-loop -- one sample after the other
      await pause(everyMs, this.#stop.signal);
    }
  }
}

/** Whether the last third is no higher than the first, but for the play of the heap. */
export function isLevel({ firstThird, lastThird }: MemoryReport): boolean {
  return lastThird <= firstThird * GROWTH + PLAY_BYTES;
}

/** The report in one line. */
export function describeMemory({ samples, firstThird, lastThird, peak }: MemoryReport): string {
  if (samples < 3) return "memory: too short a time to say";
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return `memory: ${mebibytes(firstThird)} in the first third, ${mebibytes(lastThird)} in the last, ` +
    `${mebibytes(peak)} at most (${samples} samples)`;
}

/** The resident set of a process, from /proc or `ps`; undefined when it is gone. */
async function residentBytes(pid: number): Promise<number | undefined> {
  if (Deno.build.os === "linux") {
    const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  }
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`], stderr: "null" }).output();
  const kibibytes = Number(new TextDecoder().decode(stdout).trim());
  return kibibytes > 0 ? kibibytes * 1024 : undefined;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Waits, or until `signal` aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(over, ms);
    function over() {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      resolve();
    }
    signal.addEventListener("abort", over);
  });
}
