import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CanonicalUlid } from "../../../identity/device_id.ts";
import {
  PROGRESS_BYTES_KEPT,
  PROGRESS_KEPT,
  type ProgressCursor,
  type ProgressTable,
  type RequestProgressRecord,
} from "../request_progress_record.ts";
import { bytes, integer, type SqliteRow, time } from "./sqlite_row.ts";

function reportOf(row: SqliteRow): RequestProgressRecord {
  return {
    attempt: integer(row, "attempt"),
    sequence: integer(row, "sequence"),
    payloadJson: bytes(row, "payload_json"),
    at: time(row, "at"),
  };
}

/** {@linkcode ProgressTable} on SQLite. */
export class SqliteProgress implements ProgressTable {
  readonly #insert: StatementSync;
  readonly #trim: StatementSync;
  readonly #list: StatementSync;
  readonly #newest: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare(`
      INSERT OR IGNORE INTO request_progress (request_id, attempt, sequence, payload_json, at)
      SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM requests WHERE request_id = ?1)`);
    this.#trim = db.prepare(`
      DELETE FROM request_progress WHERE request_id = ?1 AND (attempt, sequence) IN
        (SELECT attempt, sequence FROM
          (SELECT attempt, sequence, row_number() OVER newest AS rank, sum(length(payload_json)) OVER newest AS total
           FROM request_progress WHERE request_id = ?1
           WINDOW newest AS (ORDER BY attempt DESC, sequence DESC))
         WHERE rank > 1 AND (rank > ?2 OR total > ?3))`);
    this.#list = db.prepare(`
      SELECT attempt, sequence, payload_json, at FROM request_progress
      WHERE request_id = ? AND (attempt, sequence) > (?, ?) ORDER BY attempt, sequence`);
    this.#newest = db.prepare(`
      SELECT attempt, sequence FROM request_progress WHERE request_id = ? ORDER BY attempt DESC, sequence DESC LIMIT 1`);
  }

  async append(requestId: CanonicalUlid, reports: readonly RequestProgressRecord[]): Promise<void> {
    for (const { attempt, sequence, payloadJson, at } of reports) {
      this.#insert.run(requestId, attempt, sequence, payloadJson, at);
    }
    this.#trim.run(requestId, PROGRESS_KEPT, PROGRESS_BYTES_KEPT);
    await Promise.resolve();
  }

  async list(requestId: CanonicalUlid, after: ProgressCursor): Promise<RequestProgressRecord[]> {
    return await Promise.resolve(this.#list.all(requestId, after.attempt, after.sequence).map(reportOf));
  }

  async newest(requestId: CanonicalUlid): Promise<ProgressCursor | undefined> {
    const row = this.#newest.get(requestId);
    return await Promise.resolve(row && { attempt: integer(row, "attempt"), sequence: integer(row, "sequence") });
  }
}
