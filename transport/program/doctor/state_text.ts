import { PalyraError } from "../../../identity/palyra_error.ts";
import { stateError } from "../../../identity/state_error.ts";

/** Larger than any text that the programs keep. */
const MAX_TEXT_BYTES = 1024 * 1024;

/**
 * The text of a file of a state folder; undefined when there is none. Past the secret store, which makes, tightens and
 * tidies its folder when it is opened. Rejects with `state_damaged`, `state_read_only` (not readable) or
 * `permission_missing`.
 */
export async function readStateText(path: string): Promise<string | undefined> {
  try {
    const { isFile, size } = await Deno.lstat(path);
    if (!isFile) throw new PalyraError("state_damaged", `${path} is not a plain file; restore it from a backup.`);
    if (size > MAX_TEXT_BYTES) {
      throw new PalyraError("state_damaged", `${path} is longer than 1 MiB; restore it from a backup.`);
    }
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw stateError(error, path);
  }
}
