import { PalyraError } from "../../../identity/palyra_error.ts";
import { MAX_OUTPUT_BYTES } from "../capability_runner.ts";
import { permissionFlag } from "../permission_gate.ts";
import { MAX_PROGRESS_BYTES, MIN_PROGRESS_INTERVAL_MS } from "../progress_reporter.ts";
import { childCommand, programUrl } from "./child_command.ts";
import { readChildLines } from "./child_lines.ts";
import { type ChildResult, MAX_FAILURE_CHARACTERS, MESSAGE_MARK, parseChildMessage } from "./child_message.ts";
import { childProgram, type ChildProgramSettings } from "./child_program.ts";
import type { ChildStart, ChildTask } from "./child_start.ts";
import { GroupSweeper } from "./group_sweeper.ts";
import type { OwnerSource } from "./owner_source.ts";
import { PrintBudget } from "./print_budget.ts";
import { type WatcherLimits, watcherProgram } from "./watcher_program.ts";

/** The largest heap of a capability's JavaScript, in MiB. */
export const MAX_CHILD_HEAP_MIB = 128;

/** The most memory that a capability's process uses in all, in MiB; about 50 of it are Deno's own. */
export const MAX_CHILD_MEMORY_MIB = 256;

/** How long a capability that is cancelled may take to end by itself, and then again after TERM, in milliseconds. */
export const CANCEL_GRACE_MS = 1_000;

/** How long the output of a process that has ended may still take to come: a program that it started may hold it open. */
const DRAIN_MS = 500;

const MEMORY_POLL_MS = 50;

/** A line of an error by which V8 gives up. */
const OUT_OF_MEMORY = /Reached heap limit|out of memory/;

const WATCHER_LIMITS: WatcherLimits = {
  maxMemoryBytes: MAX_CHILD_MEMORY_MIB * 1024 * 1024,
  pollMs: MEMORY_POLL_MS,
};

const SETTINGS: ChildProgramSettings = {
  watcherUrl: programUrl(`(${watcherProgram})(self, ${JSON.stringify(WATCHER_LIMITS)});`),
  messageMark: MESSAGE_MARK,
  maxOutputBytes: MAX_OUTPUT_BYTES,
  maxProgressBytes: MAX_PROGRESS_BYTES,
  progressIntervalMs: MIN_PROGRESS_INTERVAL_MS,
  maxFailureCharacters: MAX_FAILURE_CHARACTERS,
};

// As text, so that it needs no permission to be read and no place of its own in a bundle.
const PROGRAM_URL = programUrl(`(${childProgram})(${JSON.stringify(SETTINGS)});`);

/** One use of the owner's code. */
export interface OwnerChildJob {
  readonly source: OwnerSource;
  /** Flags of `deno run`: the permissions of the process. */
  readonly flags: readonly string[];
  /** Whether those let it start programs, which are then ended with it. */
  readonly startsPrograms: boolean;
  readonly task: ChildTask;
  /** Cancels: the code is told, and its process ended if it goes on. The signal's reason becomes the failure. */
  readonly signal: AbortSignal;
  readonly onProgress?: (payload: unknown) => void;
  /** Receives each line that the code or Deno prints, as it came. */
  readonly onPrint?: (line: string) => void;
}

/**
 * Runs the owner's code in a process of its own and resolves with what it says last, once the process is gone. A use takes
 * a new process, so no use can harm the next one, and none outlives palyra-node, however that ends.
 *
 * Rejects with `permission_missing` when palyra-node may not start Deno, with the signal's reason, and with
 * `execution_failed` when the code ends, crashes or floods instead of saying anything. Once the signal is aborted, it takes
 * no more than a few seconds.
 */
export async function runOwnerChild(job: OwnerChildJob): Promise<ChildResult> {
  job.signal.throwIfAborted();
  await using child = new OwnerChild(job);
  return await child.result();
}

class OwnerChild implements AsyncDisposable {
  readonly #job: OwnerChildJob;
  readonly #process: Deno.ChildProcess;
  readonly #sweeper: GroupSweeper | undefined;
  readonly #orders: WritableStreamDefaultWriter<Uint8Array>;
  readonly #readers: readonly ReadableStreamDefaultReader<Uint8Array>[];
  readonly #reading: Promise<unknown>;
  readonly #ending: Promise<void>;
  readonly #last = Promise.withResolvers<ChildResult>();
  #ranOutOfMemory = false;

  constructor(job: OwnerChildJob) {
    this.#job = job;
    this.#process = spawn(job.flags);
    this.#sweeper = job.startsPrograms ? this.#startSweeper() : undefined;
    this.#orders = this.#process.stdin.getWriter();
    this.#readers = [this.#process.stdout.getReader(), this.#process.stderr.getReader()];
    const budget = new PrintBudget();
    this.#reading = Promise.all(
      this.#readers.map((reader) => readChildLines(reader, budget, (line) => this.#take(line))),
    ).catch((thrown) => this.#last.reject(thrown));
    this.#ending = this.#process.status.then((status) => this.#ended(status));
  }

  async result(): Promise<ChildResult> {
    const { signal, source: { moduleUrl, file }, task } = this.#job;
    const timers: ReturnType<typeof setTimeout>[] = [];
    const onAbort = () => {
      this.#order("cancel");
      timers.push(setTimeout(() => this.#terminate(), CANCEL_GRACE_MS));
      timers.push(setTimeout(() => this.#last.reject(signal.reason), 2 * CANCEL_GRACE_MS));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const start: ChildStart = { moduleUrl, file, task };
      this.#order(JSON.stringify(start));
      const last = await this.#last.promise;
      signal.throwIfAborted();
      return last;
    } catch (thrown) {
      // It ends because it was told to.
      signal.throwIfAborted();
      throw thrown;
    } finally {
      signal.removeEventListener("abort", onAbort);
      for (const timer of timers) clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sweeper?.[Symbol.asyncDispose]();
    this.#signal("SIGKILL");
    await this.#ending;
    await this.#orders.abort().catch(() => {});
    await Promise.all(this.#readers.map((reader) => reader.cancel().catch(() => {})));
  }

  #startSweeper(): GroupSweeper | undefined {
    if (Deno.build.os === "windows") return undefined;
    try {
      return new GroupSweeper(this.#process.pid);
    } catch (cause) {
      this.#signal("SIGKILL");
      throw notStarted(cause);
    }
  }

  #take(line: string): void {
    if (line.startsWith(MESSAGE_MARK)) {
      const message = parseChildMessage(line.slice(MESSAGE_MARK.length));
      if (message.kind === "progress") this.#job.onProgress?.(message.payload);
      else this.#last.resolve(message);
      return;
    }
    if (OUT_OF_MEMORY.test(line)) this.#ranOutOfMemory = true;
    this.#job.onPrint?.(line);
  }

  /** What it wrote before its end is still on its way. */
  async #ended(status: Deno.CommandStatus): Promise<void> {
    const patience = Promise.withResolvers<void>();
    const timer = setTimeout(patience.resolve, DRAIN_MS);
    await Promise.race([this.#reading, patience.promise]);
    clearTimeout(timer);
    this.#last.reject(endedEarly(status, this.#ranOutOfMemory));
  }

  #order(text: string): void {
    // A process that is gone takes none; its end says all.
    this.#orders.write(new TextEncoder().encode(`${text}\n`)).catch(() => {});
  }

  #terminate(): void {
    if (this.#sweeper === undefined) this.#signal("SIGTERM");
    else this.#sweeper.terminate();
  }

  #signal(name: Deno.Signal): void {
    try {
      this.#process.kill(name);
    } catch {
      // It has ended, which is what the signal was for.
    }
  }
}

function spawn(flags: readonly string[]): Deno.ChildProcess {
  try {
    const limits = `--v8-flags=--max-old-space-size=${MAX_CHILD_HEAP_MIB}`;
    return childCommand(PROGRAM_URL, { flags: [limits, ...flags], output: "piped" }).spawn();
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) {
      const flag = permissionFlag({ name: "run", command: Deno.execPath() });
      throw new PalyraError(
        "permission_missing",
        `The capability runs in a process of its own; start palyra-node with ${flag}.`,
        {
          cause,
        },
      );
    }
    throw notStarted(cause);
  }
}

function notStarted(cause: unknown): PalyraError {
  return new PalyraError(
    "execution_failed",
    "The capability's process could not be started; the node's log has the cause.",
    { cause },
  );
}

function endedEarly({ code, signal }: Deno.CommandStatus, ranOutOfMemory: boolean): PalyraError {
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  // Nobody but its watcher, or the system in want of memory, ends it like that.
  if (ranOutOfMemory || signal === "SIGKILL") {
    return new PalyraError(
      "execution_failed",
      `The capability used more memory than it may (${MAX_CHILD_HEAP_MIB} MiB of objects, ${MAX_CHILD_MEMORY_MIB} MiB in ` +
        "all), or was killed; have it do less at once.",
      { cause: `it ended ${how}` },
    );
  }
  return new PalyraError(
    "execution_failed",
    `The capability's process ended ${how} before it gave a result; the node's log has what it printed.`,
  );
}
