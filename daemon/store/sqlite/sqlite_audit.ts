import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import { type AuditAct, type AuditKind, DAEMON_ACTOR } from "../../audit/audit_act.ts";
import { EMPTY_AUDIT, nextAuditRecord } from "../../audit/audit_chain.ts";
import { type AuditHash, auditHashOfBytes } from "../../audit/audit_hash.ts";
import type { AuditHead, AuditQuery, AuditRecord, AuditTable } from "../audit_record.ts";
import { bytes, integer, type SqliteRow, text } from "./sqlite_row.ts";

const TAKEN = /UNIQUE constraint failed/;

/** A row of the table `audit`, whatever somebody made of it: whether it is right is for the chain to tell. */
export function auditRecordOf(row: SqliteRow): AuditRecord {
  return {
    sequence: integer(row, "sequence"),
    at: integer(row, "at") as UnixMs,
    kind: text(row, "kind"),
    actor: text(row, "actor"),
    subject: text(row, "subject"),
    detailsJson: text(row, "details_json"),
    previousHash: hashOf(row, "previous_hash"),
    hash: hashOf(row, "hash"),
  };
}

function hashOf(row: SqliteRow, column: string): AuditHash {
  return auditHashOfBytes(bytes(row, column));
}

/**
 * {@linkcode AuditTable} on SQLite. The head of the chain is kept in memory, and goes on from there whatever the table
 * says: so records that somebody else takes out or puts in meanwhile leave a break that can be found. The store tells it
 * which works were kept: {@linkcode commit} and {@linkcode rollBackTo}.
 */
export class SqliteAudit implements AuditTable {
  readonly #insert: StatementSync;
  readonly #newest: StatementSync;
  readonly #highest: StatementSync;
  readonly #acceptLoss: StatementSync;
  readonly #read: StatementSync;
  readonly #remove: StatementSync;
  readonly #onAct: (kind: AuditKind) => void;
  #head: AuditHead;
  #committed: AuditHead;

  /** `onAct` is called for each record, in its work. */
  constructor(db: DatabaseSync, onAct: (kind: AuditKind) => void = () => {}) {
    this.#onAct = onAct;
    this.#insert = db.prepare(`
      INSERT INTO audit (sequence, at, kind, actor, subject, details_json, previous_hash, hash)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#newest = db.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1");
    this.#highest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'audit'");
    this.#acceptLoss = db.prepare(
      "UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(sequence), 0) FROM audit) WHERE name = 'audit'",
    );
    this.#read = db.prepare("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?");
    this.#remove = db.prepare("DELETE FROM audit WHERE sequence <= ?");
    this.#head = this.#committed = this.#stored();
  }

  /** Where the chain stands in the work that runs. */
  get current(): AuditHead {
    return this.#head;
  }

  /** Where the chain stands in what is committed. */
  get committed(): AuditHead {
    return this.#committed;
  }

  /** What was appended up to `head` is committed. */
  commit(head: AuditHead): void {
    this.#committed = head;
  }

  /** What was appended behind `head` was not kept. */
  rollBackTo(head: AuditHead): void {
    this.#head = head;
  }

  async append(act: AuditAct, at: UnixMs): Promise<void> {
    try {
      this.#write(act, at);
    } catch (cause) {
      const found = this.#stored();
      if (!(cause instanceof Error && TAKEN.test(cause.message)) || found.sequence <= this.#head.sequence) throw cause;
      const expected = this.#head;
      this.#head = found;
      this.#write(foreignRecords(expected, found), at);
      this.#write(act, at);
    }
    await Promise.resolve();
  }

  async head(): Promise<AuditHead> {
    return await Promise.resolve(this.#stored());
  }

  async highestSequence(): Promise<number> {
    const row = this.#highest.get();
    return await Promise.resolve(row === undefined ? 0 : integer(row, "seq"));
  }

  async acceptLoss(): Promise<void> {
    this.#acceptLoss.run();
    await Promise.resolve();
  }

  async read({ after, limit }: AuditQuery): Promise<AuditRecord[]> {
    return await Promise.resolve(this.#read.all(after, limit).map(auditRecordOf));
  }

  async removeThrough(sequence: number): Promise<number> {
    return await Promise.resolve(Number(this.#remove.run(sequence).changes));
  }

  #write(act: AuditAct, at: UnixMs): void {
    const record = nextAuditRecord(this.#head, act, at);
    this.#insert.run(
      record.sequence,
      record.at,
      record.kind,
      record.actor,
      record.subject,
      record.detailsJson,
      Uint8Array.fromHex(record.previousHash),
      Uint8Array.fromHex(record.hash),
    );
    this.#head = { sequence: record.sequence, hash: record.hash };
    this.#onAct(act.kind);
  }

  #stored(): AuditHead {
    const row = this.#newest.get();
    return row === undefined ? EMPTY_AUDIT : { sequence: integer(row, "sequence"), hash: hashOf(row, "hash") };
  }
}

function foreignRecords(expected: AuditHead, found: AuditHead): AuditAct {
  return {
    kind: "audit.damaged",
    actor: DAEMON_ACTOR,
    subject: "",
    details: {
      finding: "another program wrote records while the daemon ran",
      expected_sequence: expected.sequence,
      expected_hash: expected.hash,
      found_sequence: found.sequence,
      found_hash: found.hash,
    },
  };
}
