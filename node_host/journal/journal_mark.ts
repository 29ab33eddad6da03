import { join } from "node:path";

/** How far the journal had come, in a file of its own beside it. */
export const JOURNAL_MARK_FILE = "journal.mark";

const OWNER_ONLY = 0o600;
/** Of one length, so that it can be written over in place. */
const SHAPE = /^([0-9A-Z]{26}) (\d{16})\n$/;

/** Which journal it was, and its generation: how many of its commits noted a start. */
export interface JournalMark {
  readonly id: string;
  readonly generation: number;
}

/**
 * Reads the mark of a state folder; undefined when there is none that can be read. A journal that is behind its mark was
 * put back from a copy, and does not know of everything that has started.
 */
export function readJournalMark(stateFolder: string): JournalMark | undefined {
  const [, id, generation] = SHAPE.exec(textOf(join(stateFolder, JOURNAL_MARK_FILE))) ?? [];
  return id === undefined ? undefined : { id, generation: Number(generation) };
}

/**
 * Writes the mark over the one before. Not synced: when the machine itself dies, the mark may be behind the journal, and
 * never ahead of it. To be called when the commit is on the disk.
 */
export function writeJournalMark(stateFolder: string, { id, generation }: JournalMark): void {
  const path = join(stateFolder, JOURNAL_MARK_FILE);
  using file = Deno.openSync(path, { write: true, create: true, mode: OWNER_ONLY });
  file.writeSync(new TextEncoder().encode(`${id} ${String(generation).padStart(16, "0")}\n`));
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
