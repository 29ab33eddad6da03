import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { stateWriteError } from "./state_folder.ts";

/** The file in a state folder that a program locks while it uses the folder. */
export const STATE_LOCK_FILE = "state.lock";
// Apart from the lock file, because on Windows nobody else can read a locked one.
const HOLDER_FILE = "state.pid";

/**
 * One program at a time on a state folder. The lock is the operating system's on an open file (flock, LockFileEx), so it
 * ends with the process, however that ends. The lock file stays: removing it would let two programs lock two files of
 * one name.
 */
export class StateLock implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #holderPath: string;
  #released = false;

  private constructor(file: Deno.FsFile, holderPath: string) {
    this.#file = file;
    this.#holderPath = holderPath;
  }

  /**
   * Takes the lock, or fails at once.
   *
   * @throws {PalyraError} `state_in_use`, naming the process that holds it; `state_read_only` or `permission_missing` as
   * `prepareStateFolder` does; `unsupported` when the file system has no locks.
   */
  static acquire(folder: string): StateLock {
    const lockPath = join(folder, STATE_LOCK_FILE);
    const holderPath = join(folder, HOLDER_FILE);
    let file: Deno.FsFile;
    try {
      file = Deno.openSync(lockPath, { create: true, read: true, write: true, mode: 0o600 });
    } catch (error) {
      throw stateWriteError(folder, error);
    }
    try {
      if (!tryLock(file, folder)) throw inUse(folder, holderPath);
      try {
        Deno.writeTextFileSync(holderPath, `${Deno.pid}\n`, { mode: 0o600 });
      } catch (error) {
        throw stateWriteError(folder, error);
      }
    } catch (error) {
      file.close();
      throw error;
    }
    return new StateLock(file, holderPath);
  }

  /** Gives the lock back. The second call does nothing. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    try {
      Deno.removeSync(this.#holderPath);
    } catch {
      // A pid file that stays is only ever read while somebody holds the lock, and that one writes it anew.
    }
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/**
 * Whether the lock on a folder is held by the process `pid`. Looks by trying to share the lock for a moment; changes
 * nothing.
 */
export function isStateHeldBy(folder: string, pid: number): boolean {
  const exclusive = false;
  try {
    using file = Deno.openSync(join(folder, STATE_LOCK_FILE), { read: true });
    const free = file.tryLockSync(exclusive);
    if (free) file.unlockSync();
    return !free && readPid(join(folder, HOLDER_FILE)) === pid;
  } catch {
    return false;
  }
}

function tryLock(file: Deno.FsFile, folder: string): boolean {
  const exclusive = true;
  try {
    return file.tryLockSync(exclusive);
  } catch (error) {
    throw new PalyraError(
      "unsupported",
      `The file system of ${folder} cannot lock files: name a folder on a local disk with --state-root.`,
      { cause: error },
    );
  }
}

function inUse(folder: string, holderPath: string): PalyraError {
  const pid = readPid(holderPath);
  const holder = pid === undefined ? "another process" : `the process ${pid}`;
  return new PalyraError(
    "state_in_use",
    `The state folder ${folder} is in use by ${holder}: stop that one first, or name another folder with --state-root.`,
  );
}

function readPid(path: string): number | undefined {
  try {
    const text = Deno.readTextFileSync(path).trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
