import { join } from "node:path";
import { removeStaleTemporaries, syncFolder, writeFileAtomically } from "./atomic_file.ts";
import { PalyraError } from "./palyra_error.ts";
import { processSealingKey } from "./process_sealing_key.ts";
import { isSealed } from "./sealed_secret.ts";
import { sealedWithoutMarker, SecretSealing } from "./secret_sealing.ts";
import type { SealingKeySource } from "./sealing_key.ts";
import { SEALING_MARKER } from "./sealing_marker.ts";
import { stateError } from "./state_error.ts";
import { systemClock } from "./unix_ms.ts";

const FOLDER_MODE = 0o700;
const OTHERS = 0o077;
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;
const MAX_SECRET_BYTES = 1024 * 1024;
/** With room for what sealing adds. */
const MAX_FILE_BYTES: number = MAX_SECRET_BYTES + 1024;
/** Enough to tell what is sealed. */
const BEGINNING_BYTES = 16;

/**
 * Private keys and other secrets, one file each, in a folder that only the owner can enter. Writes are atomic and on
 * the disk when they resolve. On Windows the folder inherits the profile's access list; modes are not checked there.
 * Where the folder is sealed, every file is, and what is read and written here is plain all the same.
 */
export class SecretStore {
  /** Where the secrets lie. */
  readonly folder: string;
  readonly #sealing: SecretSealing;

  private constructor(folder: string, sealing: SecretSealing) {
    this.folder = folder;
    this.#sealing = sealing;
  }

  /**
   * Opens the folder, makes it if it is not there, and closes it to others if it is open to them. Rejects with
   * `state_read_only`, `permission_missing`, or `state_damaged` when it is not a folder, and as
   * {@linkcode SecretSealing.of} does.
   *
   * @param keys where the sealing key comes from; what the process was started with by default.
   */
  static async open(folder: string, keys: SealingKeySource = processSealingKey): Promise<SecretStore> {
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
    const names = await secretNames(folder);
    const sealing = await SecretSealing.of(folder, keys, names.length > 0);
    // A marker that was removed must not make a folder plain again for a program that was given no key.
    const left = sealing.keyId === undefined ? await firstSealed(folder, names) : undefined;
    if (left !== undefined) throw sealedWithoutMarker(left);
    return new SecretStore(folder, sealing);
  }

  /** The id of the key that the secrets are sealed with; undefined where they lie in plain. */
  get sealingKeyId(): string | undefined {
    return this.#sealing.keyId;
  }

  /**
   * The secret's bytes, or undefined when there is none. Rejects with `state_damaged` when it is not a regular file, is
   * longer than 1 MiB or cannot be read, or when others may read it: then it is not a secret any more, and the message
   * says how to close it. Also `state_read_only`, `permission_missing`, `invalid_argument` (a bad name), and as
   * {@linkcode SecretSealing.open} does: a sealed folder's plain files are refused.
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
      const secret = size > MAX_FILE_BYTES ? undefined : await this.#sealing.open(name, await Deno.readFile(path));
      if (secret !== undefined && secret.length <= MAX_SECRET_BYTES) return secret;
      throw damaged(path, "is longer than 1 MiB; restore it from a backup");
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
    await writeFileAtomically(path, await this.#sealing.seal(name, bytes));
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
    return await secretNames(this.folder);
  }

  #path(name: string): string {
    if (!isSecretName(name)) {
      throw new PalyraError(
        "invalid_argument",
        "The name of a secret has 1 to 100 characters of a-z, 0-9, dot, hyphen and underscore, a letter or digit first.",
      );
    }
    return join(this.folder, name);
  }
}

/** Whether a file may hold a secret. The marker of a sealed folder is none. */
export function isSecretName(name: string): boolean {
  return NAME.test(name) && name !== SEALING_MARKER;
}

/** The names of the secrets in a folder, sorted. Rejects with `state_read_only` or `permission_missing`. */
export async function secretNames(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => entry.isFile && isSecretName(entry.name)).map((entry) => entry.name).sort();
  } catch (error) {
    throw stateError(error, folder);
  }
}

/** The path of a sealed file among the secrets; what cannot be read is passed over, and told when it is asked for. */
async function firstSealed(folder: string, names: readonly string[]): Promise<string | undefined> {
  const beginnings = await Promise.all(names.map(async (name) => {
    const beginning = new Uint8Array(BEGINNING_BYTES);
    try {
      using file = await Deno.open(join(folder, name));
      await file.read(beginning);
    } catch {
      return undefined;
    }
    return isSealed(beginning) ? join(folder, name) : undefined;
  }));
  return beginnings.find((path) => path !== undefined);
}

function notAFolder(folder: string, cause?: unknown): PalyraError {
  return damaged(folder, "is not a folder; move it away, or choose another state folder", cause);
}

function damaged(path: string, what: string, cause?: unknown): PalyraError {
  return new PalyraError("state_damaged", `${path} ${what}.`, { cause });
}
