import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(import.meta.resolve("../main.ts"));

/** How a run of the program ended. */
export interface ProgramEnd {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output, one JSON document a line. */
  readonly documents: Readonly<Record<string, unknown>>[];
}

/** For tests: palyra-node as a process of its own. */
export class NodeProgram {
  readonly #child: Deno.ChildProcess;
  readonly end: Promise<ProgramEnd>;
  #stdout = "";
  #changed = Promise.withResolvers<void>();

  /** Starts `palyra-node <args>` on a state root; `input` is its standard input. */
  constructor(stateRoot: string, args: readonly string[], input?: string) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-prompt", "-A", MAIN, ...args],
      env: { PALYRA_STATE_ROOT: stateRoot, NO_COLOR: "1" },
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.end = this.#collect(input);
  }

  /** Resolves once standard output contains `text`. */
  async untilPrinted(text: string): Promise<void> {
    // deno-lint-ignore no-await-in-loop -- waits for one piece of output after the other
    while (!this.#stdout.includes(text)) await this.#changed.promise;
  }

  kill(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  async #collect(input: string | undefined): Promise<ProgramEnd> {
    if (input !== undefined) {
      const writer = this.#child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const errors = new Response(this.#child.stderr).text();
    for await (const chunk of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.#stdout += chunk;
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    }
    const { code } = await this.#child.status;
    const stdout = this.#stdout;
    return {
      code,
      stdout,
      stderr: await errors,
      get documents() {
        return stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      },
    };
  }
}
