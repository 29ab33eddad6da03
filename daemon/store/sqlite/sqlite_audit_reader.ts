import { DatabaseSync, type StatementSync } from "node:sqlite";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { stateError } from "../../../identity/state_error.ts";
import type { AuditKind } from "../../audit/audit_act.ts";
import { UnreadableRecordError } from "../../audit/unreadable_record_error.ts";
import type { AuditRecord } from "../audit_record.ts";
import { auditRecordOf } from "./sqlite_audit.ts";
import { MIGRATIONS } from "./migrations.ts";
import { integer, type SqliteRow } from "./sqlite_row.ts";

/** Records that are in memory at once. */
const PAGE_RECORDS = 1_000;

const NOT_STORED = /no such table/;

/**
 * The audit of a database, for reading only: a daemon may be running on it, and goes on. It shows the audit as it was when
 * it was opened, for as long as it is open; so that should be short, as the write-ahead log grows meanwhile.
 */
export class SqliteAuditReader implements Disposable {
  readonly #db: DatabaseSync;
  readonly #path: string;

  private constructor(db: DatabaseSync, path: string) {
    this.#db = db;
    this.#path = path;
  }

  /** Throws `state_not_initialised` when there is no audit, `schema_too_new` and `state_damaged`. */
  static open(path: string): SqliteAuditReader {
    let db: DatabaseSync | undefined;
    try {
      Deno.statSync(path);
      db = new DatabaseSync(path, { readOnly: true });
      // A daemon that starts or ends has the file to itself for a moment.
      db.exec("PRAGMA busy_timeout = 5000; BEGIN");
      const version = integer(db.prepare("PRAGMA user_version").get() ?? {}, "user_version");
      if (version > MIGRATIONS.length) {
        throw new PalyraError(
          "schema_too_new",
          `The state database ${path} has schema ${version}; this version of palyrad knows up to ${MIGRATIONS.length}. ` +
            "Use the newer palyrad.",
        );
      }
      db.prepare("SELECT 1 FROM audit LIMIT 1").get();
      return new SqliteAuditReader(db, path);
    } catch (cause) {
      db?.close();
      throw openFailure(cause, path);
    }
  }

  /** Every record behind `after`, oldest first, in constant memory. */
  *records(after = 0): Generator<AuditRecord, void, void> {
    // Not the driver's own iteration, which takes an error for the end of the rows.
    const statement = this.#db.prepare("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?");
    for (let position = after;;) {
      const page = this.#page(statement, position);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      position = last.sequence;
    }
  }

  /** The newest `limit` records, oldest of them first. */
  newest(limit: number, kind?: AuditKind): AuditRecord[] {
    const statement = this.#db.prepare(
      "SELECT * FROM audit WHERE (?1 IS NULL OR kind = ?1) ORDER BY sequence DESC LIMIT ?2",
    );
    return this.#rows(() => statement.all(kind ?? null, limit)).reverse();
  }

  /** The highest number there has ever been, as far as the database knows; 0 before the first. */
  highestSequence(): number {
    const row = this.#db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").get();
    return row === undefined ? 0 : integer(row, "seq");
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** Records behind one; none behind the last. Those before one that cannot be read are handed out first. */
  #page(statement: StatementSync, after: number): AuditRecord[] {
    try {
      return this.#rows(() => statement.all(after, PAGE_RECORDS));
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      return this.#rows(() => statement.all(after, 1));
    }
  }

  #rows(read: () => SqliteRow[]): AuditRecord[] {
    let rows: SqliteRow[];
    try {
      rows = read();
    } catch (cause) {
      // A number that JavaScript has no place for.
      if (cause instanceof RangeError) throw unreadable(cause);
      throw openFailure(cause, this.#path);
    }
    return rows.map(recordOf);
  }
}

function recordOf(row: SqliteRow): AuditRecord {
  try {
    return auditRecordOf(row);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function unreadable(cause: unknown): UnreadableRecordError {
  return new UnreadableRecordError("a column holds what no record has", { cause });
}

function openFailure(thrown: unknown, path: string): PalyraError {
  const cause = stateError(thrown, path);
  if (cause instanceof PalyraError) return cause;
  if (cause instanceof Deno.errors.NotFound || (cause instanceof Error && NOT_STORED.test(cause.message))) {
    return new PalyraError(
      "state_not_initialised",
      `There is no audit in ${path} yet. Start the daemon once (\`palyrad run\`), or name its folder with --state-root.`,
      { cause },
    );
  }
  return new PalyraError("state_damaged", `The audit in ${path} cannot be read. Restore a backup.`, { cause });
}
