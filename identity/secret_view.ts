import { join } from "node:path";
import { PalyraError } from "./palyra_error.ts";
import { processSealingKey } from "./process_sealing_key.ts";
import type { SealingKeySource } from "./sealing_key.ts";
import { readMarkerFile } from "./sealing_marker.ts";
import { SecretSealing } from "./secret_sealing.ts";
import { secretNames } from "./secret_store.ts";
import { stateError } from "./state_error.ts";

const MAX_FILE_BYTES: number = 1025 * 1024;

/**
 * A folder's secrets for who only looks: nothing is made, closed or tidied, as opening a `SecretStore` would, and a folder
 * that is not there holds none. Who may read the files is not judged.
 */
export class SecretView {
  readonly folder: string;
  readonly #keys: SealingKeySource;
  #sealing: Promise<SecretSealing> | undefined;

  constructor(folder: string, keys: SealingKeySource = processSealingKey) {
    this.folder = folder;
    this.#keys = keys;
  }

  /** The secret's bytes, or undefined when there is none. Rejects as `SecretStore.open` and `SecretStore.read` do. */
  async read(name: string): Promise<Uint8Array | undefined> {
    const path = join(this.folder, name);
    try {
      const { isFile, size } = await Deno.lstat(path);
      if (!isFile) throw damaged(path, "is not a plain file");
      if (size > MAX_FILE_BYTES) throw damaged(path, "is longer than 1 MiB");
      const content = await Deno.readFile(path);
      return await (await this.#howSealed()).open(name, content);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
      throw stateError(error, path);
    }
  }

  /** The secret as text. */
  async readText(name: string): Promise<string | undefined> {
    const secret = await this.read(name);
    return secret && new TextDecoder().decode(secret);
  }

  /**
   * The id of the key that the secrets are sealed with; undefined where they are plain, or there are none. Rejects as
   * `SecretStore.open` does.
   */
  async sealingKeyId(): Promise<string | undefined> {
    const isThere = await this.#exists();
    return isThere ? (await this.#howSealed()).keyId : undefined;
  }

  async #exists(): Promise<boolean> {
    try {
      return await readMarkerFile(this.folder) !== undefined || (await secretNames(this.folder)).length > 0;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return false;
      throw error;
    }
  }

  /** Asked once; only what was read decides. */
  #howSealed(): Promise<SecretSealing> {
    const holdsSecrets = true;
    this.#sealing ??= SecretSealing.of(this.folder, this.#keys, holdsSecrets);
    return this.#sealing;
  }
}

function damaged(path: string, what: string): PalyraError {
  return new PalyraError("state_damaged", `${path} ${what}; restore it from a backup.`);
}
