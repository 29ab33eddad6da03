import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { stateError } from "../../identity/state_error.ts";
import { DAMAGED_JOURNAL_FILE, JOURNAL_FILE } from "./journal_file.ts";

/** What the journal of a state folder holds, for people. */
export interface JournalSummary {
  /** Undefined when it cannot be read; `palyra-node run` says why. */
  readonly counts: JournalCounts | undefined;
  /** Where a damaged journal was set aside. */
  readonly setAside: string | undefined;
}

/** Attempts of capabilities that are not idempotent, which the daemon has not acknowledged. */
export interface JournalCounts {
  readonly attempts: number;
  /** Of these, the ones that have ended. */
  readonly finished: number;
}

/** Looks at the journal and changes nothing, whether palyra-node runs or not; undefined when there is none. */
export async function readJournalSummary(stateFolder: string): Promise<JournalSummary | undefined> {
  const path = join(stateFolder, JOURNAL_FILE);
  const damaged = join(stateFolder, DAMAGED_JOURNAL_FILE);
  const [there, damagedThere] = await Promise.all([isThere(path), isThere(damaged)]);
  if (!there && !damagedThere) return undefined;
  return { counts: there ? readCounts(path) : undefined, setAside: damagedThere ? damaged : undefined };
}

function readCounts(path: string): JournalCounts | undefined {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    const row = db.prepare("SELECT count(*) AS attempts, count(success) AS finished FROM attempts").get();
    return { attempts: Number(row?.["attempts"]), finished: Number(row?.["finished"]) };
  } catch {
    return undefined;
  } finally {
    db?.close();
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw stateError(error, path);
  }
}
