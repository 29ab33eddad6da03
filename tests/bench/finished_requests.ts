import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { ulid } from "ulid";

/** How far back the copies lie, in milliseconds: within every retention. */
const SPREAD_MS = 20 * 24 * 3_600_000;

/**
 * Copies a finished request in the database at `path`, which nobody holds, until there are `count` more of them: each with
 * an id and times of its own, spread over the last days, and the rest as the daemon wrote it.
 */
export function addFinishedRequests(path: string, count: number): void {
  const db = new DatabaseSync(path);
  try {
    const original = db.prepare("SELECT * FROM requests WHERE completed_at IS NOT NULL LIMIT 1").get();
    if (original === undefined) throw new Error("there is no finished request to copy");
    const columns = Object.keys(original);
    const insert = db.prepare(
      `INSERT INTO requests (${columns.join(", ")}) VALUES (${columns.map(() => "?").join(", ")})`,
    );
    const now = Date.now();
    db.exec("PRAGMA synchronous = OFF; BEGIN");
    for (let index = 0; index < count; index++) {
      const earlierMs = Math.ceil(SPREAD_MS * (count - index) / count);
      insert.run(...columns.map((column) => valueOf(column, original[column] ?? null, now, earlierMs)));
    }
    db.exec("COMMIT; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE); ANALYZE");
  } finally {
    db.close();
  }
}

function valueOf(column: string, original: SQLInputValue, now: number, earlierMs: number): SQLInputValue {
  if (column === "request_id") return ulid(now - earlierMs);
  if (column === "idempotency_key") return null;
  const isTime = column.endsWith("_at") || column === "deadline";
  return isTime && typeof original === "number" ? original - earlierMs : original;
}
