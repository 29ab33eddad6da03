import { Buffer } from "node:buffer";
import nodeModule from "node:module";
import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { printableText } from "../printable_text.ts";

/** The largest capability file, in bytes. */
export const MAX_SOURCE_BYTES: number = 256 * 1024;

/** The most files that are read from a folder of capabilities. */
export const MAX_OWNER_FILES = 32;

const OTHERS_MAY_WRITE = 0o002;

/** A capability file as it was when palyra-node started; what is run later is this very text. */
export interface OwnerSource {
  /** The file's name in the folder. */
  readonly file: string;
  /** The module as a `data:` URL: importing it needs no permission, and nothing is relative to it. */
  readonly moduleUrl: string;
}

/**
 * The names of the capability files of a folder, sorted: `*.ts` and `*.js` apart from tests (`*_test.ts`, `*.test.ts`),
 * declarations (`*.d.ts`) and hidden files.
 *
 * Throws `invalid_config` when the folder cannot be read and `permission_missing` when the program may not read it.
 */
export async function ownerFiles(folder: string): Promise<string[]> {
  try {
    if (await everybodyMayWrite(folder)) {
      throw new PalyraError("invalid_config", `The folder of capabilities ${folder} ${writableComplaint(folder)}.`);
    }
    const names: string[] = [];
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      if (!isDirectory && isCapabilityFile(name)) names.push(name);
    }
    return names.sort();
  } catch (cause) {
    if (cause instanceof PalyraError) throw cause;
    if (cause instanceof Deno.errors.NotCapable) {
      throw new PalyraError(
        "permission_missing",
        `palyra-node may not read the folder of capabilities ${folder}; start it with --allow-read=${folder}.`,
        { cause },
      );
    }
    throw new PalyraError(
      "invalid_config",
      `The folder of capabilities ${folder} cannot be read; correct the path, or create the folder.`,
      { cause },
    );
  }
}

/**
 * Reads one capability file without running anything of it. Throws `invalid_config` when it is no plain file, too large,
 * not UTF-8, or writable by everybody.
 */
export async function readOwnerSource(folder: string, file: string): Promise<OwnerSource> {
  const path = join(folder, file);
  if (!(await Deno.lstat(path)).isFile) throw refusal("is no plain file; put the file itself into the folder");
  if (await everybodyMayWrite(path)) throw refusal(writableComplaint(path));
  const bytes = await readBounded(path);
  const text = decode(bytes);
  const program = file.endsWith(".ts") ? withoutTypes(text) : text;
  return { file, moduleUrl: `data:text/javascript;charset=utf-8;base64,${Buffer.from(program).toString("base64")}` };
}

/** What Deno or the owner's code said, with the file's name where Deno wrote the module's URL. */
export function withFileName(text: string, file: string): string {
  return text
    .replaceAll(/data:text\/javascript;charset=utf-8;base64,[A-Za-z0-9+/=.]*/g, file)
    .replaceAll(/data:text\/javascript,[\w%.!'*~-]*/g, "palyra-node");
}

// By blanks, so that lines and columns stay. Deno would do it for each run anew, and take eight times as long.
function withoutTypes(text: string): string {
  try {
    return nodeModule.stripTypeScriptTypes(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const reason = printableText(cause.message.replace("file:///stripTypeScriptTypes.ts", "line"), 200);
    throw refusal(
      `is no TypeScript from which the types can be taken away (${reason}); \`deno check\` shows more`,
      cause,
    );
  }
}

function isCapabilityFile(name: string): boolean {
  return /^[^.].*\.[jt]s$/.test(name) && !/(?:[._]test|\.d)\.[jt]s$/.test(name);
}

// What anybody may write would give anybody the permissions that the owner allowed. Windows tells no mode.
async function everybodyMayWrite(path: string): Promise<boolean> {
  const { mode } = await Deno.stat(path);
  return mode !== null && (mode & OTHERS_MAY_WRITE) !== 0;
}

function writableComplaint(path: string): string {
  return `can be written by everybody on this machine; take that away with \`chmod o-w ${path}\``;
}

async function readBounded(path: string): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(MAX_SOURCE_BYTES + 1);
  let length = 0;
  while (length < bytes.length) {
    // deno-lint-ignore no-await-in-loop -- each read goes on where the one before ended
    const read = await file.read(bytes.subarray(length));
    if (read === null) return bytes.subarray(0, length);
    length += read;
  }
  throw refusal(`has more than ${MAX_SOURCE_BYTES} bytes; shorten it`);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw refusal("is not UTF-8; save it as UTF-8", cause);
  }
}

function refusal(complaint: string, cause?: unknown): PalyraError {
  return new PalyraError("invalid_config", `It ${complaint}.`, { cause });
}
