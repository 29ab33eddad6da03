import { PalyraError } from "../../identity/palyra_error.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { AuditHead, AuditRecord } from "../store/audit_record.ts";
import { AuditFileWriter } from "./audit_file_writer.ts";
import type { AuditFlaw } from "./audit_flaw.ts";
import { MAX_FORGOTTEN_AT_ONCE } from "./audit_log.ts";
import { AuditWalk } from "./audit_walk.ts";
import { openStoredAudit, verifyStoredAudit } from "./stored_audit.ts";

/** What {@linkcode archiveAudit} is to do. */
export interface AuditArchiveOrder {
  /** The state folder. */
  readonly folder: string;
  /** Records from before this time are archived, up to the first that is not. */
  readonly before: UnixMs;
  /** The new file. */
  readonly path: string;
  /** Deletes the records up to one, as `AuditLog.forget` does. */
  readonly forget: (through: AuditHead) => Promise<unknown>;
}

/** What was archived. */
export interface ArchivedAudit {
  readonly first: number;
  readonly last: number;
}

/**
 * Puts the older records of an audit into a file, and deletes them once that is on the disk. A broken audit stays as it is:
 * `audit_broken`. Undefined when there is nothing so old; then there is no file either. When deleting fails, the file stays,
 * and the records in it are still in the audit, all of them or the newer ones.
 */
export async function archiveAudit(order: AuditArchiveOrder): Promise<ArchivedAudit | undefined> {
  const { flaw } = await verifyStoredAudit(order.folder);
  if (flaw !== undefined && flaw.kind !== "damage_recorded") throw auditBroken(flaw);
  const steps = await writeArchive(order);
  const last = steps.heads.at(-1);
  if (last === undefined) return undefined;
  for (const head of steps.heads) {
    // deno-lint-ignore no-await-in-loop -- the oldest go first
    await order.forget(head);
  }
  return { first: steps.first, last: last.sequence };
}

/** An audit that is not as it was written, as a failure. */
export function auditBroken(flaw: AuditFlaw): PalyraError {
  return new PalyraError(
    "audit_broken",
    `${flaw.message} Keep a copy of the state folder, and compare it with your exports and backups.`,
  );
}

/** In which steps the records of the file can be deleted. */
interface ArchiveSteps {
  readonly first: number;
  readonly heads: readonly AuditHead[];
}

async function writeArchive({ folder, before, path }: AuditArchiveOrder): Promise<ArchiveSteps> {
  using audit = openStoredAudit(folder);
  const [oldest] = audit.records().take(1);
  if (oldest === undefined || oldest.at >= before) return { first: 0, heads: [] };
  const heads: AuditHead[] = [];
  const writer = await AuditFileWriter.create(path);
  try {
    const walk = new AuditWalk();
    await walk.along(written(audit.records(), before, writer, heads));
    if (walk.flaw !== undefined) throw auditBroken(walk.flaw);
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
  return { first: oldest.sequence, heads };
}

/** Writes the records that are old enough and hands them on. */
async function* written(
  records: Iterable<AuditRecord>,
  before: UnixMs,
  writer: AuditFileWriter,
  heads: AuditHead[],
): AsyncGenerator<AuditRecord, void, void> {
  let first: number | undefined;
  let last: AuditHead | undefined;
  for (const record of records) {
    if (record.at >= before) break;
    first ??= record.sequence;
    // deno-lint-ignore no-await-in-loop -- one line after the other
    await writer.write(record);
    last = { sequence: record.sequence, hash: record.hash };
    if ((record.sequence - first + 1) % MAX_FORGOTTEN_AT_ONCE === 0) heads.push(last);
    yield record;
  }
  if (last !== undefined && heads.at(-1) !== last) heads.push(last);
}
