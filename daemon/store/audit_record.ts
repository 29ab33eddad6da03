import type { UnixMs } from "../../identity/unix_ms.ts";
import type { AuditAct } from "../audit/audit_act.ts";
import type { AuditHash } from "../audit/audit_hash.ts";

/** One record of the audit. Together they are a chain: each holds the hash of the one before it. */
export interface AuditRecord {
  /** Counts from 1, without holes. */
  readonly sequence: number;
  readonly at: UnixMs;
  /** One of `AUDIT_KINDS`; an older daemon may have written other ones. */
  readonly kind: string;
  readonly actor: string;
  readonly subject: string;
  /** A JSON object in canonical form, as it was hashed. */
  readonly detailsJson: string;
  readonly previousHash: AuditHash;
  /** Over all of the above: see `auditRecordHash`. */
  readonly hash: AuditHash;
}

/** The newest record, by which a whole chain is known. */
export interface AuditHead {
  /** 0 before the first record. */
  readonly sequence: number;
  readonly hash: AuditHash;
}

/** Which records are wanted, oldest first. */
export interface AuditQuery {
  /** Only records behind this one. */
  readonly after: number;
  readonly limit: number;
}

/** The audit: appended to, and never changed. */
export interface AuditTable {
  /**
   * Writes the next record. To be called in the transaction of the act itself, so that neither is ever there without the
   * other. When somebody else has written to the audit meanwhile, a record `audit.damaged` comes before this one.
   */
  append(act: AuditAct, at: UnixMs): Promise<void>;
  head(): Promise<AuditHead>;
  /** The highest number there has ever been: the store knows it even when the record is gone. */
  highestSequence(): Promise<number>;
  /** Counts on from the newest record that there is: that others are gone has been recorded, and is not to be found again. */
  acceptLoss(): Promise<void>;
  read(query: AuditQuery): Promise<AuditRecord[]>;
  /** Deletes the oldest records up to this one; resolves with how many there were. Only for what was archived. */
  removeThrough(sequence: number): Promise<number>;
}
