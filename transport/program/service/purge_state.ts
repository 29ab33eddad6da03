import { join } from "node:path";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { STATE_LOCK_FILE, StateLock } from "../state_lock.ts";

/**
 * Removes a program's state folder with all that is in it; false when there is none. Rejects with `state_in_use` when a
 * process has it, `invalid_argument` when it is no state folder: nobody shall lose another folder by a wrong option.
 */
export async function purgeState(folder: string): Promise<boolean> {
  const entries = await entriesOf(folder);
  if (entries === undefined) return false;
  if (entries.length > 0 && !entries.includes(STATE_LOCK_FILE)) {
    throw new PalyraError(
      "invalid_argument",
      `${join(folder, STATE_LOCK_FILE)} is missing, so this is no state folder: it is left as it is.`,
    );
  }
  // Whoever had it has ended; Windows removes no file that is open, so the lock is not held on to.
  StateLock.acquire(folder).release();
  await Deno.remove(folder, { recursive: true });
  return true;
}

async function entriesOf(folder: string): Promise<string[] | undefined> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
