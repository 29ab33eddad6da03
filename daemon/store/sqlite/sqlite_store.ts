import { DatabaseSync } from "node:sqlite";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { DeviceId } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { stateError } from "../../../identity/state_error.ts";
import { sqliteFailureOf } from "../../../transport/program/sqlite_failure.ts";
import { raisesGeneration } from "../../audit/generation_act.ts";
import type { AuditHead } from "../audit_record.ts";
import { DEFAULT_EVENTS_KEPT } from "../device_event_record.ts";
import type { Store, StoreTransaction, TransactionOptions } from "../store.ts";
import { GroupCommit } from "./group_commit.ts";
import { MIGRATIONS } from "./migrations.ts";
import { SqliteAudit } from "./sqlite_audit.ts";
import { SqliteDeviceEvents } from "./sqlite_device_events.ts";
import { SqliteDevices } from "./sqlite_devices.ts";
import { SqliteGeneration } from "./sqlite_generation.ts";
import { SqliteFacts } from "./sqlite_facts.ts";
import { SqliteNodes } from "./sqlite_nodes.ts";
import { SqlitePairing } from "./sqlite_pairing.ts";
import { SqliteProgress } from "./sqlite_progress.ts";
import { SqliteRecoveries } from "./sqlite_recoveries.ts";
import { SqliteRequests } from "./sqlite_requests.ts";
import { WalSync } from "./wal_sync.ts";

/** What SQLite reports, as a failure with its cure. */
function storeFailure(path: string, cause: unknown): PalyraError {
  if (cause instanceof PalyraError) return cause;
  switch (sqliteFailureOf(cause)) {
    case "read_only":
      return new PalyraError(
        "state_read_only",
        `The state database ${path} cannot be written. Check the owner and mode of its folder and that the file ` +
          "system is not mounted read-only.",
        { cause },
      );
    case "full":
      return new PalyraError("state_read_only", `No room is left for the state database ${path}. Free some space.`, {
        cause,
      });
    case "damaged":
      return new PalyraError(
        "state_damaged",
        `The state database ${path} is damaged. Stop the daemon, keep a copy of the file and restore a backup.`,
        { cause },
      );
    case "locked":
      return new PalyraError(
        "state_in_use",
        `Another program holds the state database ${path}. Stop it and try again.`,
        { cause },
      );
    default:
      return new PalyraError("internal", "The state database refused a transaction; the log has the cause.", { cause });
  }
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
 * loop (design section 5, "Store"). The fsync is the store's own ({@linkcode WalSync}): with `synchronous = FULL` SQLite
 * would do the same to the same file, and let the whole process wait for the disk.
 */
export class SqliteStore implements Store {
  readonly #db: DatabaseSync;
  readonly #tx: StoreTransaction;
  readonly #group: GroupCommit;
  /** The write-ahead log, which is there as long as the database is open. */
  readonly #wal: Deno.FsFile;
  readonly #path: string;
  readonly #events: SqliteDeviceEvents;
  readonly #generation: SqliteGeneration;
  readonly #audit: SqliteAudit;
  readonly #eventListeners = new Set<(deviceId: DeviceId) => void>();
  readonly #auditListeners = new Set<(head: AuditHead) => void>();
  readonly #generationListeners = new Set<(generation: number) => void>();

  private constructor(db: DatabaseSync, wal: Deno.FsFile, path: string, eventsKept: number) {
    this.#db = db;
    this.#path = path;
    this.#events = new SqliteDeviceEvents(db, eventsKept);
    this.#generation = new SqliteGeneration(db);
    this.#audit = new SqliteAudit(db, (kind) => {
      if (raisesGeneration(kind)) this.#generation.raise();
    });
    this.#tx = {
      facts: new SqliteFacts(db),
      pairing: new SqlitePairing(db),
      devices: new SqliteDevices(db),
      recoveries: new SqliteRecoveries(db),
      events: this.#events,
      nodes: new SqliteNodes(db),
      requests: new SqliteRequests(db),
      progress: new SqliteProgress(db),
      audit: this.#audit,
    };
    this.#wal = wal;
    const sync = new WalSync(wal);
    this.#group = new GroupCommit(db, {
      onCommit: () => this.#audit.commit(this.#audit.current),
      onCommitFailure: (cause) => {
        this.#audit.rollBackTo(this.#audit.committed);
        return storeFailure(path, cause);
      },
      sync: (works) => sync.sync(works),
    });
  }

  /**
   * Opens or creates the database at `path` (mode 0600) and brings its schema up to date; an older schema is backed up
   * beside the file first. Throws `schema_too_new`, `state_damaged` or `state_read_only`.
   */
  static open(path: string, { eventsKept = DEFAULT_EVENTS_KEPT }: SqliteStoreOptions = {}): SqliteStore {
    let db: DatabaseSync | undefined;
    let wal: Deno.FsFile | undefined;
    try {
      // SQLite gives its log files the mode of the main file.
      Deno.openSync(path, { create: true, read: true, write: true, mode: 0o600 }).close();
      db = new DatabaseSync(path);
      // Who reads the audit of a daemon that is not running may have the file to itself for a moment.
      db.exec("PRAGMA busy_timeout = 1000");
      refuseNewerSchema(db, path);
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
      migrate(db, path);
      // From here on each commit is synced as in FULL, but by this process itself and not on its event loop.
      db.exec("PRAGMA busy_timeout = 0; PRAGMA synchronous = NORMAL; BEGIN IMMEDIATE; COMMIT");
      wal = Deno.openSync(`${path}-wal`, { read: true, write: true });
      return new SqliteStore(db, wal, path, eventsKept);
    } catch (cause) {
      wal?.close();
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
    let audited: AuditHead | undefined;
    let raised: number | undefined;
    const result = await this.#group.run(async () => {
      const auditBefore = this.#audit.current;
      try {
        const done = await work(this.#tx);
        if (this.#audit.current !== auditBefore) audited = this.#audit.current;
        return done;
      } catch (cause) {
        this.#audit.rollBackTo(auditBefore);
        throw sqliteFailureOf(cause) === undefined ? cause : storeFailure(this.#path, cause);
      } finally {
        // Works run one after the other, so this is what this one appended.
        appendedTo = this.#events.takeAppended();
        raised = this.#generation.takeRaised();
      }
    }, patienceMs);
    for (const deviceId of appendedTo) {
      for (const listener of [...this.#eventListeners]) listener(deviceId);
    }
    if (audited !== undefined) {
      for (const listener of [...this.#auditListeners]) listener(audited);
    }
    if (raised !== undefined) {
      for (const listener of [...this.#generationListeners]) listener(raised);
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

  /** See {@linkcode Store.onAuditRecords}. */
  onAuditRecords(listener: (head: AuditHead) => void): () => void {
    this.#auditListeners.add(listener);
    return () => {
      this.#auditListeners.delete(listener);
    };
  }

  /** See {@linkcode Store.onGeneration}. */
  onGeneration(listener: (generation: number) => void): () => void {
    this.#generationListeners.add(listener);
    return () => {
      this.#generationListeners.delete(listener);
    };
  }

  /** See {@linkcode Store.close}. */
  async close(): Promise<void> {
    await this.#group.close();
    this.#db.close();
    this.#wal.close();
  }
}
