import { dirname } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { TerminalProbe } from "./colour.ts";
import { stateWriteError } from "./state_folder.ts";
import type { SyncWriter } from "./sync_writer.ts";

/** How much a log may fill. */
export interface LogFileLimits {
  /** A file is put aside before it would grow beyond this, in bytes. @default {10485760} */
  readonly maxBytes?: number;
  /** How many files there are at most, the one in use among them. @default {5} */
  readonly maxFiles?: number;
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;
const DEFAULT_MAX_FILES = 5;

/**
 * A log file of bounded size, for platforms without a journal: `palyrad.log` is in use, `palyrad.log.1` is the one before
 * it, and so on. Each write goes to one file as a whole, so no line is torn in two. The files are for their owner only.
 *
 * When a file cannot be put aside (another program has it open on Windows, say), the one in use is emptied: the bound
 * holds whatever happens.
 */
export class RotatingLogFile implements SyncWriter, TerminalProbe, Disposable {
  readonly path: string;
  readonly #maxBytes: number;
  readonly #maxFiles: number;
  #file: Deno.FsFile;
  #size: number;

  /**
   * Opens the file to append to it; makes it and its folder when they are not there.
   *
   * @throws {PalyraError} `invalid_config`, or `permission_missing` when Deno may not write there.
   */
  constructor(path: string, { maxBytes = DEFAULT_MAX_BYTES, maxFiles = DEFAULT_MAX_FILES }: LogFileLimits = {}) {
    this.path = path;
    this.#maxBytes = maxBytes;
    this.#maxFiles = maxFiles;
    try {
      Deno.mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#file = openForAppending(path);
      this.#size = this.#file.statSync().size;
    } catch (error) {
      const known = stateWriteError(path, error);
      if (known instanceof PalyraError && known.code === "permission_missing") throw known;
      throw new PalyraError(
        "invalid_config",
        `The log file ${path} cannot be written: make its folder writable for this user, or name another by log.file.`,
        { cause: error },
      );
    }
  }

  writeSync(bytes: Uint8Array): number {
    // A line that is larger than a whole file gets one to itself.
    if (this.#size > 0 && this.#size + bytes.length > this.#maxBytes) this.#rotate();
    const written = this.#file.writeSync(bytes);
    this.#size += written;
    return written;
  }

  isTerminal(): boolean {
    return false;
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }

  #rotate(): void {
    this.#file.close();
    for (let number = this.#maxFiles - 1; number >= 1; number--) {
      moveIfPossible(this.#numbered(number - 1), this.#numbered(number));
    }
    this.#file = openForAppending(this.path);
    this.#size = this.#file.statSync().size;
    if (this.#size === 0) return;
    this.#file.truncateSync(0);
    this.#size = 0;
  }

  #numbered(number: number): string {
    return number === 0 ? this.path : `${this.path}.${number}`;
  }
}

function openForAppending(path: string): Deno.FsFile {
  return Deno.openSync(path, { append: true, create: true, mode: 0o600 });
}

function moveIfPossible(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch {
    // There is no such file yet; or it stays, and the oldest that can be moved are lost instead.
  }
}
