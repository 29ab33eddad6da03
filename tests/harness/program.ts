import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The two executables, as they stand in this checkout. */
export type ProgramName = "palyrad" | "palyra-node";

const MAIN: Readonly<Record<ProgramName, string>> = {
  palyrad: fileURLToPath(new URL("../../daemon/main.ts", import.meta.url)),
  "palyra-node": fileURLToPath(new URL("../../node_host/main.ts", import.meta.url)),
};

/** How a program is started. */
export interface ProgramOptions {
  /** State root; the programs keep their own folders apart below it. */
  readonly stateRoot: string;
  /** What it reads on standard input; nothing by default. */
  readonly input?: string;
  /** More environment variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** What a program that has ended left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Names a folder with programs that were built, which are then tested in the place of the sources. */
export const BUILT_PROGRAMS_VARIABLE = "PALYRA_TEST_PROGRAMS";

const builtPrograms = Deno.env.get(BUILT_PROGRAMS_VARIABLE);

/** Whether programs that were built are tested: they have the permissions of a release, and not all. */
export const TESTS_BUILT_PROGRAMS: boolean = builtPrograms !== undefined;

function command(program: ProgramName, args: readonly string[], options: ProgramOptions): Deno.Command {
  const [executable, leading] = builtPrograms === undefined
    ? [Deno.execPath(), ["run", "--quiet", "--no-prompt", "-A", MAIN[program]]]
    : [join(builtPrograms, program), []];
  return new Deno.Command(executable, {
    args: [...leading, ...args],
    env: { NO_COLOR: "1", PALYRA_STATE_ROOT: options.stateRoot, ...options.env },
    // Who downloads a program may have nothing around it.
    clearEnv: TESTS_BUILT_PROGRAMS,
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
}

/** A program that runs, with everything it has written so far. */
export class RunningProgram {
  readonly #child: Deno.ChildProcess;
  readonly #reading: Promise<unknown>;
  readonly #waiters = new Set<() => void>();
  readonly #lines: string[] = [];
  #stdout = "";
  #stderr = "";
  #ended = false;
  readonly ended: Promise<Finished>;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.#reading = Promise.all([
      this.#read(child.stdout, (text) => this.#stdout += text),
      this.#read(child.stderr, (text) => this.#stderr += text),
    ]);
    this.ended = this.#end();
  }

  /** Starts `program`. */
  static async start(
    program: ProgramName,
    args: readonly string[],
    options: ProgramOptions,
  ): Promise<RunningProgram> {
    const child = command(program, args, options).spawn();
    const running = new RunningProgram(child);
    if (options.input !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(options.input)).catch(() => {});
      await writer.close().catch(() => {});
    }
    return running;
  }

  /** Starts another program than the two executables. */
  static spawn(command: Deno.Command): RunningProgram {
    return new RunningProgram(command.spawn());
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Everything written so far, both streams. */
  get output(): string {
    return this.#stdout + this.#stderr;
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The first line, of either stream, that `matches`; rejects when the program ends without one. */
  async line(matches: (line: string) => boolean): Promise<string> {
    for (;;) {
      const found = this.#lines.find(matches);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the program ended without the line that was waited for:\n${this.output}`);
      // deno-lint-ignore no-await-in-loop -- waits for the next output
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal): void {
    if (!this.#ended) this.#child.kill(signal);
  }

  /** Asks it to stop (SIGTERM) and waits. */
  async stop(): Promise<Finished> {
    this.kill("SIGTERM");
    return await this.ended;
  }

  async #end(): Promise<Finished> {
    const { code } = await this.#child.status;
    await this.#reading;
    this.#ended = true;
    this.#wake();
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async #read(stream: ReadableStream<Uint8Array>, keep: (text: string) => void): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      keep(text);
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#wake();
    }
    if (rest !== "") this.#lines.push(rest);
  }

  #wake(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }
}

/** Runs a program to its end. */
export async function runProgram(
  program: ProgramName,
  args: readonly string[],
  options: ProgramOptions,
): Promise<Finished> {
  return await (await RunningProgram.start(program, args, options)).ended;
}

/** Runs a command with `--json` and returns what it printed; rejects with its error output when it fails. */
export async function runJson(
  program: ProgramName,
  args: readonly string[],
  options: ProgramOptions,
  // deno-lint-ignore no-explicit-any -- the tests assert on what they read
): Promise<any> {
  const { code, stdout, stderr } = await runProgram(program, [...args, "--json"], options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")} ended with ${code}:\n${stderr}`);
  return JSON.parse(stdout);
}
