import { DatabaseSync } from "node:sqlite";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DeviceId } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { stateError } from "../../../identity/state_error.ts";
import { DEFAULT_EVENTS_KEPT } from "../device_event_record.ts";
import type { Store, StoreTransaction, TransactionOptions } from "../store.ts";
import { GroupCommit } from "./group_commit.ts";
import { MIGRATIONS } from "./migrations.ts";
import { SqliteDeviceEvents } from "./sqlite_device_events.ts";
import { SqliteDevices } from "./sqlite_devices.ts";
import { SqliteFacts } from "./sqlite_facts.ts";
import { SqliteNodes } from "./sqlite_nodes.ts";
import { SqlitePairing } from "./sqlite_pairing.ts";
import { SqliteRequests } from "./sqlite_requests.ts";

/** Deno's node:sqlite gives every failure this code and tells them apart by SQLite's own fixed texts alone. */
function isSqliteError(cause: unknown): cause is Error {
  return cause instanceof Error && "code" in cause && cause.code === "ERR_SQLITE_ERROR";
}

const READ_ONLY = /readonly database|unable to open database file/;
const FULL = /database or disk is full/;
const DAMAGED = /not a database|malformed/;
const LOCKED = /database (table )?is locked/;

/** What SQLite reports, as a failure with its cure. */
function storeFailure(path: string, cause: unknown): PalyraError {
  if (cause instanceof PalyraError) return cause;
  const text = isSqliteError(cause) ? cause.message : "";
  if (READ_ONLY.test(text)) {
    return new PalyraError(
      "state_read_only",
      `The state database ${path} cannot be written. Check the owner and mode of its folder and that the file ` +
        "system is not mounted read-only.",
      { cause },
    );
  }
  if (FULL.test(text)) {
    return new PalyraError("state_read_only", `No room is left for the state database ${path}. Free some space.`, {
      cause,
    });
  }
  if (DAMAGED.test(text)) {
    return new PalyraError(
      "state_damaged",
      `The state database ${path} is damaged. Stop the daemon, keep a copy of the file and restore a backup.`,
      { cause },
    );
  }
  if (LOCKED.test(text)) {
    return new PalyraError("state_in_use", `Another program holds the state database ${path}. Stop it and try again.`, {
      cause,
    });
  }
  return new PalyraError("internal", "The state database refused a transaction; the log has the cause.", { cause });
}

function versionOf(db: DatabaseSync): number {
  const version = db.prepare("PRAGMA user_version").get()?.["user_version"];
  return typeof version === "number" ? version : 0;
}

function refuseNewerSchema(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  if (version > MIGRATIONS.length) {
    throw new PalyraError(
      "schema_too_new",
      `The state database ${path} has schema ${version}; this version of palyrad knows up to ${MIGRATIONS.length}. ` +
        "Run the newer palyrad, or point --state-root at another folder.",
    );
  }
}

function migrate(db: DatabaseSync, path: string): void {
  const version = versionOf(db);
  if (version === MIGRATIONS.length) return;
  if (version > 0) {
    const backup = join(dirname(path), `palyrad.schema-${version}.sqlite`);
    // One that an earlier, interrupted migration left behind.
    rmSync(backup, { force: true });
    db.prepare("VACUUM INTO ?").run(backup);
    Deno.chmodSync(backup, 0o600);
  }
  db.exec("BEGIN IMMEDIATE");
  for (const sql of MIGRATIONS.slice(version)) db.exec(sql);
  // A pragma takes no bound values; the number is our own.
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  db.exec("COMMIT");
}

/** How a {@linkcode SqliteStore} is opened. */
export interface SqliteStoreOptions {
  /**
   * Events of one device that are kept.
   *
   * @default {DEFAULT_EVENTS_KEPT}
   */
  readonly eventsKept?: number;
}

/**
 * {@linkcode Store} in one SQLite file: write-ahead log, an fsync for each commit, commits grouped by turn of the event
 * loop (design section 5, "Store").
 */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #tx: StoreTransaction;
  readonly #group: GroupCommit;
  readonly #path: string;
  readonly #events: SqliteDeviceEvents;
  readonly #eventListeners = new Set<(deviceId: DeviceId) => void>();

  private constructor(db: DatabaseSync, path: string, eventsKept: number) {
    this.#db = db;
    this.#path = path;
    this.#events = new SqliteDeviceEvents(db, eventsKept);
    this.#tx = {
      facts: new SqliteFacts(db),
      pairing: new SqlitePairing(db),
      devices: new SqliteDevices(db),
      events: this.#events,
      nodes: new SqliteNodes(db),
      requests: new SqliteRequests(db),
    };
    this.#group = new GroupCommit(db, (cause) => storeFailure(path, cause));
  }

  /**
   * Opens or creates the database at `path` (mode 0600) and brings its schema up to date; an older schema is backed up
   * beside the file first. Throws `schema_too_new`, `state_damaged` or `state_read_only`.
   */
  static open(path: string, { eventsKept = DEFAULT_EVENTS_KEPT }: SqliteStoreOptions = {}): SqliteStore {
    let db: DatabaseSync | undefined;
    try {
      // SQLite gives its log files the mode of the main file.
      Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 }).close();
      db = new DatabaseSync(path);
      refuseNewerSchema(db, path);
      db.exec(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 0",
      );
      migrate(db, path);
      return new SqliteStore(db, path, eventsKept);
    } catch (cause) {
      db?.close();
      throw storeFailure(path, stateError(cause, path));
    }
  }

  /** See {@linkcode Store.transaction}. */
  async transaction<T>(
    work: (tx: StoreTransaction) => Promise<T>,
    { patienceMs = 0 }: TransactionOptions = {},
  ): Promise<T> {
    let appendedTo: readonly DeviceId[] = [];
    const result = await this.#group.run(async () => {
      try {
        return await work(this.#tx);
      } catch (cause) {
        throw isSqliteError(cause) ? storeFailure(this.#path, cause) : cause;
      } finally {
        // Works run one after the other, so this is what this one appended.
        appendedTo = this.#events.takeAppended();
      }
    }, patienceMs);
    for (const deviceId of appendedTo) {
      for (const listener of [...this.#eventListeners]) listener(deviceId);
    }
    return result;
  }

  get commitCount(): number {
    return this.#group.commitCount;
  }

  /** See {@linkcode Store.onDeviceEvents}. */
  onDeviceEvents(listener: (deviceId: DeviceId) => void): () => void {
    this.#eventListeners.add(listener);
    return () => {
      this.#eventListeners.delete(listener);
    };
  }

  /** See {@linkcode Store.close}. */
  async close(): Promise<void> {
    await this.#group.close();
    this.#db.close();
  }
}
