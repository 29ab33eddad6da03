import { join } from "node:path";
import { removeStaleTemporaries, syncFolder, writeFileAtomically } from "./atomic_file.ts";
import { PalyraError } from "./palyra_error.ts";
import { stateError } from "./state_error.ts";
import { systemClock } from "./unix_ms.ts";

const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const MAX_SECRET_BYTES = 1024 * 1024;

/**
 * Private keys and other secrets, one file each, in a folder that only the owner can enter. Writes are atomic and on
 * the disk when they resolve. On Windows the folder inherits the profile's access list; modes are not checked there.
 */
export class SecretStore {
  /** Where the secrets lie. */
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Opens the folder, makes it if it is not there, and closes it to others if it is open to them. Rejects with
   * `state_read_only`, `permission_missing`, or `state_damaged` when it is not a folder.
   */
  static async open(folder: string): Promise<SecretStore> {
    try {
      await Deno.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
      const { isDirectory, mode } = await Deno.stat(folder);
      if (!isDirectory) throw notAFolder(folder);
      if (mode !== null && (mode & 0o777) !== FOLDER_MODE) await Deno.chmod(folder, FOLDER_MODE);
      await removeStaleTemporaries(folder, systemClock());
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
        throw notAFolder(folder, error);
      }
      throw stateError(error, folder);
    }
    return new SecretStore(folder);
  }

  /**
   * The secret's bytes, or undefined when there is none. Rejects with `state_damaged` when it is not a plain file, is
   * longer than 1 MiB or cannot be read, or when others may read it: then it is not a secret any more, and the message
   * says how to close it. Also `state_read_only`, `permission_missing` and `invalid_argument` (a bad name).
   */
  async read(name: string): Promise<Uint8Array | undefined> {
    const path = this.#path(name);
    try {
      const { isFile, mode, size } = await Deno.lstat(path);
      if (!isFile) throw damaged(path, "is not a plain file; move it away and restore it from a backup");
      if (mode !== null && (mode & OTHERS) !== 0) {
        throw damaged(
          path,
          `can be read by others; run \`chmod 600 ${path}\`, and replace it if others may have seen it`,
        );
      }
      if (size > MAX_SECRET_BYTES) throw damaged(path, "is longer than 1 MiB; restore it from a backup");
      return await Deno.readFile(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      const known = stateError(error, path);
      if (known instanceof PalyraError) throw known;
      throw damaged(path, "cannot be read; restore it from a backup", error);
    }
  }

  /** Stores a secret, replacing what was there. Rejects with `invalid_argument` at a bad name or more than 1 MiB. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(name);
    if (bytes.length > MAX_SECRET_BYTES) {
      throw new PalyraError("invalid_argument", `The secret ${name} is longer than 1 MiB.`);
    }
    await writeFileAtomically(path, bytes);
  }

  /** Removes a secret; false when there was none. */
  async delete(name: string): Promise<boolean> {
    const path = this.#path(name);
    try {
      await Deno.remove(path);
      await syncFolder(this.folder);
      return true;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw stateError(error, path);
    }
  }

  /** The names of all secrets, sorted. What else lies in the folder is passed over. */
  async list(): Promise<string[]> {
    try {
      const entries = await Array.fromAsync(Deno.readDir(this.folder));
      return entries.filter((entry) => entry.isFile && NAME.test(entry.name)).map((entry) => entry.name).sort();
    } catch (error) {
      throw stateError(error, this.folder);
    }
  }

  #path(name: string): string {
    if (!NAME.test(name)) {
      throw new PalyraError(
        "invalid_argument",
        "The name of a secret has 1 to 100 characters of a-z, 0-9, dot, hyphen and underscore, a letter or digit first.",
      );
    }
    return join(this.folder, name);
  }
}

function notAFolder(folder: string, cause?: unknown): PalyraError {
  return damaged(folder, "is not a folder; move it away, or choose another state folder", cause);
}

function damaged(path: string, what: string, cause?: unknown): PalyraError {
  return new PalyraError("state_damaged", `${path} ${what}.`, { cause });
}
