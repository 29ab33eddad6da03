import { join } from "node:path";
import type { OwnerSource } from "../owner_source.ts";

/** For tests: a folder of capability files, removed at the end. */
export class OwnerFolder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the folder with these files: text by name. */
  static async create(files: Readonly<Record<string, string>> = {}): Promise<OwnerFolder> {
    const folder = new OwnerFolder(await Deno.makeTempDir({ prefix: "palyra-capabilities-" }));
    for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(join(folder.path, name), text);
    return folder;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}

/** The parts of a capability file that a test cares about. */
export interface FileParts {
  readonly name?: string;
  readonly permissions?: readonly string[];
  /** More properties of the definition, as JSON. */
  readonly more?: Readonly<Record<string, unknown>>;
  /** The statements of `async run(input, context)`. */
  readonly run: string;
}

/** The text of a capability file. */
export function capabilityFile({ name = "own.test", permissions = [], more = {}, run }: FileParts): string {
  const definition = {
    name,
    version: "1.0.0",
    description: "For a test.",
    inputSchema: {},
    outputSchema: {},
    mediation: false,
    permissions,
    ...more,
  };
  return `export default { ...${JSON.stringify(definition)}, async run(input, context) { ${run} } };\n`;
}

/** A capability file as it is given to a process. */
export function ownerSource(text: string, file = "own_test.js"): OwnerSource {
  return { file, moduleUrl: `data:text/javascript;charset=utf-8;base64,${btoa(text)}` };
}
