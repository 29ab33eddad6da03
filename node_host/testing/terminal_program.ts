import { existsSync } from "node:fs";

// util-linux's script(1) gives a program a terminal of its own.
const SCRIPT = "/usr/bin/script";

/** For tests: options of a test that needs {@linkcode TerminalProgram}. */
export const WITH_TERMINAL = { ignore: Deno.build.os !== "linux" || !existsSync(SCRIPT) };

/** For tests: a program on a terminal of its own, whose keys the test types. */
export class TerminalProgram implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #keys: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #output = "";
  #ended = false;
  #changed = Promise.withResolvers<void>();
  /** Everything that the terminal showed, once the program has ended. */
  readonly end: Promise<string>;

  /** Starts `command` in `env` beside this process's own variables. */
  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const line = command.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    this.#child = new Deno.Command(SCRIPT, {
      args: ["--quiet", "--flush", "--command", `exec ${line}`, "/dev/null"],
      env: { NO_COLOR: "1", SHELL: "/bin/sh", ...env },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#keys = this.#child.stdin.getWriter();
    this.end = this.#collect();
  }

  /** Everything that the terminal has shown so far. */
  get output(): string {
    return this.#output;
  }

  /** Types keys. */
  async type(keys: string): Promise<void> {
    await this.#keys.write(new TextEncoder().encode(keys));
  }

  /** Resolves with the first match in what the terminal shows from position `from` on; rejects when the program ends without. */
  async until(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.#output.slice(from));
      if (found !== null) return found;
      if (this.#ended) throw new Error(`the program ended without ${pattern}:\n${this.#output}`);
      // deno-lint-ignore no-await-in-loop -- waits for one piece of output after the other
      await this.#changed.promise;
    }
  }

  /** Ends it, if it has not ended by itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.#child.kill("SIGTERM");
    await this.end;
  }

  async #collect(): Promise<string> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#output += text;
      this.#wake();
    }
    // The terminal's program may have gone before it read everything.
    await this.#keys.close().catch(() => {});
    await this.#child.status;
    this.#ended = true;
    this.#wake();
    return this.#output;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
