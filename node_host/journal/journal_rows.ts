import type { DatabaseSync, StatementSync } from "node:sqlite";
import { isCanonicalUlid } from "../../identity/device_id.ts";
import type { CapabilityResult } from "../../proto/gen/node.ts";
import { type AttemptName, attemptRef } from "../dispatch.ts";
import { JournalDamage } from "./journal_failure.ts";

/** An attempt that has ended, and whose result the daemon may not have. */
export interface FinishedAttempt {
  readonly name: AttemptName;
  readonly result: CapabilityResult;
}

/** What the journal of a stopped process says. */
export interface StoredAttempts {
  /** Started and cut off: nobody can tell what they did. */
  readonly interrupted: readonly AttemptName[];
  readonly finished: readonly FinishedAttempt[];
}

type Row = ReturnType<StatementSync["all"]>[number];

/** The rows of a journal: one for each attempt. */
export class JournalRows {
  readonly #insert: StatementSync;
  readonly #setResult: StatementSync;
  readonly #remove: StatementSync;
  readonly #all: StatementSync;
  readonly #names: StatementSync;

  constructor(db: DatabaseSync) {
    this.#insert = db.prepare("INSERT OR IGNORE INTO attempts (request_id, attempt) VALUES (?, ?)");
    this.#setResult = db.prepare(
      `INSERT INTO attempts (request_id, attempt, success, output_json, error_code, error) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (request_id, attempt) DO UPDATE SET success = excluded.success, output_json = excluded.output_json,
         error_code = excluded.error_code, error = excluded.error`,
    );
    this.#remove = db.prepare("DELETE FROM attempts WHERE request_id = ? AND attempt = ?");
    this.#all = db.prepare("SELECT * FROM attempts ORDER BY place");
    this.#names = db.prepare("SELECT request_id, attempt FROM attempts");
  }

  insert({ requestId, attempt }: AttemptName): void {
    this.#insert.run(requestId, attempt);
  }

  /** The row may be missing: an attempt can end before its start is written. */
  setResult({ requestId, attempt }: AttemptName, result: CapabilityResult): void {
    const { success, outputJson, errorCode, error } = result;
    this.#setResult.run(requestId, attempt, success ? 1 : 0, outputJson, errorCode, error);
  }

  remove({ requestId, attempt }: AttemptName): void {
    this.#remove.run(requestId, attempt);
  }

  /** Throws {@linkcode JournalDamage} when a row names no attempt. */
  names(): AttemptName[] {
    return this.#names.all().map(nameOf);
  }

  /** Oldest first. */
  load(): StoredAttempts {
    const interrupted: AttemptName[] = [];
    const finished: FinishedAttempt[] = [];
    for (const row of this.#all.iterate()) {
      const name = nameOf(row);
      const result = resultOf(name, row);
      if (result === undefined) interrupted.push(name);
      else finished.push({ name, result });
    }
    return { interrupted, finished };
  }
}

function nameOf({ request_id: requestId, attempt }: Row): AttemptName {
  if (typeof requestId === "string" && isCanonicalUlid(requestId) && typeof attempt === "number") {
    return { requestId, attempt };
  }
  throw new JournalDamage("a row of the journal does not name an attempt");
}

function resultOf(name: AttemptName, row: Row): CapabilityResult | undefined {
  const { success, output_json: outputJson, error_code: errorCode, error } = row;
  if (success === null) return undefined;
  if (outputJson instanceof Uint8Array && typeof errorCode === "string" && typeof error === "string") {
    return { attempt: attemptRef(name), success: success === 1, outputJson, errorCode, error };
  }
  throw new JournalDamage("a row of the journal does not hold a result");
}
