import { join } from "node:path";

/** A real program that stands in for the platform's opener and notes what it is asked to open. */
export class StandInOpener implements AsyncDisposable {
  readonly folder: string;
  readonly command: string;
  readonly #log: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.command = join(folder, "opener");
    this.#log = join(folder, "opened");
  }

  /** `then` is shell code that runs after the arguments are noted. */
  static async create(then = "exit 0"): Promise<StandInOpener> {
    const opener = new StandInOpener(await Deno.realPath(await Deno.makeTempDir({ prefix: "palyra-opener-" })));
    // Deno closes the file before it returns: a program that is open for writing cannot be run.
    const script = `#!/bin/sh\nprintf '%s\\n' "$#:$*" >> "${opener.#log}"\n${then}\n`;
    await Deno.writeTextFile(opener.command, script, { mode: 0o700 });
    return opener;
  }

  /** One line a start, `<number of arguments>:<arguments>`. */
  async opened(): Promise<string[]> {
    try {
      return (await Deno.readTextFile(this.#log)).trimEnd().split("\n");
    } catch (thrown) {
      if (thrown instanceof Deno.errors.NotFound) return [];
      throw thrown;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}
