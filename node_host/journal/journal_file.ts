import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { getLogger } from "@logtape/logtape";
import { syncFolder } from "../../identity/atomic_file.ts";
import { newUlid } from "../../identity/device_id.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { stateError } from "../../identity/state_error.ts";
import { isDamage, JournalDamage, journalOpenFailure } from "./journal_failure.ts";
import { JOURNAL_MARK_FILE, type JournalMark, readJournalMark, writeJournalMark } from "./journal_mark.ts";
import { JournalRows } from "./journal_rows.ts";

const logger = getLogger(["palyra", "node_host", "journal"]);

/** The journal, in the node's state folder. */
export const JOURNAL_FILE = "journal.sqlite";
/** The newest journal that was found damaged; nothing reads it any more. */
export const DAMAGED_JOURNAL_FILE = "journal.damaged.sqlite";

/** The schema that this version writes. */
export const JOURNAL_VERSION = 2;

const OWNER_ONLY = 0o600;
/** How long another program may keep the file locked while it is opened, in milliseconds. */
const OPEN_PATIENCE_MS = 1_000;
/** What SQLite keeps beside a database. */
const COMPANIONS = ["", "-wal", "-shm", "-journal"] as const;
/** What the write-ahead log shrinks to again after a burst, in bytes. */
const WAL_BYTES_KEPT: number = 4 * 1024 * 1024;

const SCHEMA = `
  CREATE TABLE journal (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id   TEXT NOT NULL,
    file TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  -- An attempt without a result had started when the process stopped.
  CREATE TABLE attempts (
    place       INTEGER PRIMARY KEY,
    request_id  TEXT NOT NULL,
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    success     INTEGER,
    output_json BLOB,
    error_code  TEXT,
    error       TEXT,
    UNIQUE (request_id, attempt),
    CHECK (success IS NULL OR (output_json IS NOT NULL AND error_code IS NOT NULL AND error IS NOT NULL))
  ) STRICT;
`;

/** What makes a journal of version 1 one of version 2. */
const UPGRADE = "ALTER TABLE journal ADD COLUMN generation INTEGER NOT NULL DEFAULT 0";

/** An open journal file. */
export interface JournalFile extends JournalMark {
  readonly db: DatabaseSync;
  readonly stateFolder: string;
  /** Names the journal to the daemon. A copy of the file gets another one when it is opened, put back or elsewhere. */
  readonly id: string;
  /** How many commits have noted a start. */
  readonly generation: number;
}

/**
 * Opens the journal of a state folder, or makes one (mode 0600). A damaged one is set aside as
 * {@linkcode DAMAGED_JOURNAL_FILE}, with an error in the log, and a new one begins.
 *
 * Rejects with `schema_too_new`, `state_read_only`, `permission_missing` or `state_in_use`.
 */
export async function openJournalFile(stateFolder: string): Promise<JournalFile> {
  const path = join(stateFolder, JOURNAL_FILE);
  try {
    try {
      return await openOrCreate(path, stateFolder);
    } catch (cause) {
      if (!isDamage(cause)) throw cause;
      setAside(stateFolder);
      logger.error(
        "The journal was damaged and is set aside as {path}: of the attempts that it held, the daemon is told nothing. " +
          "Remove that file once you have looked at it.",
        { path: join(stateFolder, DAMAGED_JOURNAL_FILE), cause },
      );
      return await openOrCreate(path, stateFolder);
    }
  } catch (thrown) {
    throw journalOpenFailure(path, thrown);
  }
}

/** Removes the journal of a state folder with its mark, and a damaged one. Throws `state_read_only` or `permission_missing`. */
export function removeJournal(stateFolder: string): void {
  for (const name of [JOURNAL_FILE, JOURNAL_MARK_FILE, DAMAGED_JOURNAL_FILE]) {
    const path = join(stateFolder, name);
    try {
      removeDatabase(path);
    } catch (error) {
      throw stateError(error, path);
    }
  }
}

async function openOrCreate(path: string, stateFolder: string): Promise<JournalFile> {
  // SQLite gives its log files the mode of the main file.
  (await Deno.open(path, { create: true, read: true, write: true, mode: OWNER_ONLY })).close();
  const db = new DatabaseSync(path);
  try {
    // `palyra-node status` may have the file to itself for a moment while it counts what is in it.
    db.exec(`PRAGMA busy_timeout = ${OPEN_PATIENCE_MS}`);
    refuseNewer(db, path);
    requireSound(db);
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`,
    );
    if (versionOf(db) < JOURNAL_VERSION) migrate(db, versionOf(db) === 0 ? SCHEMA : UPGRADE);
    const mark = identify(db, path, stateFolder);
    writeJournalMark(stateFolder, mark);
    await syncFolder(stateFolder);
    // From here on waiting would hold up everything else.
    db.exec("PRAGMA busy_timeout = 0");
    return { db, stateFolder, ...mark };
  } catch (cause) {
    db.close();
    throw cause;
  }
}

function versionOf(db: DatabaseSync): number {
  const version = db.prepare("PRAGMA user_version").get()?.["user_version"];
  return typeof version === "number" ? version : 0;
}

function refuseNewer(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  if (version <= JOURNAL_VERSION) return;
  throw new PalyraError(
    "schema_too_new",
    `The journal ${path} was written by a newer palyra-node (version ${version} of its format, known here: ` +
      `${JOURNAL_VERSION}); run that one, or let it finish and stop before going back.`,
  );
}

function requireSound(db: DatabaseSync): void {
  const verdict = db.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (verdict !== "ok") throw new JournalDamage(`quick_check: ${String(verdict)}`);
  if (versionOf(db) > 0) new JournalRows(db).names();
}

function migrate(db: DatabaseSync, statements: string): void {
  db.exec("BEGIN IMMEDIATE");
  db.exec(statements);
  // A pragma takes no bound values; the number is our own.
  db.exec(`PRAGMA user_version = ${JOURNAL_VERSION}`);
  db.exec("COMMIT");
}

/**
 * The journal's id. "Not in the journal" means "never started" only where the attempt would have been noted, so a copy
 * must not answer for the original: neither in another file nor put back in its place.
 */
function identify(db: DatabaseSync, path: string, stateFolder: string): JournalMark {
  const { ino, birthtime } = Deno.statSync(path);
  const file = `${ino ?? ""}:${birthtime?.getTime() ?? ""}`;
  const stored = db.prepare("SELECT id, file, generation FROM journal").get();
  const generation = Number(stored?.["generation"] ?? 0);
  if (typeof stored?.["id"] === "string") {
    const mark = { id: stored["id"], generation };
    if (stored["file"] === file && isCurrent(mark, readJournalMark(stateFolder))) return mark;
    logger.warning(
      "The journal is a copy of another one, or an older one was put back, so it gets an id of its own: the daemon then " +
        "takes nothing that it does not name for never started.",
    );
  }
  const id = newUlid();
  db.prepare("INSERT OR REPLACE INTO journal (only, id, file, generation) VALUES (1, ?, ?, ?)")
    .run(id, file, generation);
  return { id, generation };
}

/** Whether a journal has come as far as its mark says. */
function isCurrent({ id, generation }: JournalMark, mark: JournalMark | undefined): boolean {
  // A journal of the first version has no mark, and none that is new needs one.
  if (mark === undefined) return generation === 0;
  return mark.id === id && mark.generation <= generation;
}

function setAside(stateFolder: string): void {
  const [from, to] = [join(stateFolder, JOURNAL_FILE), join(stateFolder, DAMAGED_JOURNAL_FILE)];
  removeDatabase(to);
  for (const companion of COMPANIONS) ifThere(() => Deno.renameSync(from + companion, to + companion));
}

function removeDatabase(path: string): void {
  for (const companion of COMPANIONS) ifThere(() => Deno.removeSync(path + companion));
}

function ifThere(act: () => void): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
