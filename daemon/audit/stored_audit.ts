import { join } from "node:path";
import { PalyraError } from "../../identity/palyra_error.ts";
import { SecretStore } from "../../identity/secret_store.ts";
import { DATABASE_FILE, SECRETS_FOLDER } from "../daemon_state.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import { SqliteAuditReader } from "../store/sqlite/sqlite_audit_reader.ts";
import { type FoundAnchor, readAuditAnchor, readAuditKey } from "./audit_anchor.ts";
import { readAuditFile } from "./audit_file.ts";
import type { AuditHash } from "./audit_hash.ts";
import { type AuditReport, verifyAudit } from "./audit_verification.ts";
import { UnreadableRecordError } from "./unreadable_record_error.ts";

/** Records that are read at once where their reader may be slow. */
const PAGE_RECORDS = 1_000;

/** The audit of a state folder, for reading, whether a daemon runs on it or not. The caller disposes of it. */
export function openStoredAudit(folder: string): SqliteAuditReader {
  return SqliteAuditReader.open(join(folder, DATABASE_FILE));
}

/** What {@linkcode verifyStoredAudit} goes by, beside the state folder. */
export interface StoredAuditOptions {
  /** Files of earlier archives, in any order. */
  readonly archives?: readonly string[];
  readonly expectedHash?: AuditHash | undefined;
}

/**
 * Verifies the audit of a state folder, whether a daemon runs on it or not. The anchor is read before the records: those
 * that are written meanwhile are newer than it, as they should be.
 */
export async function verifyStoredAudit(folder: string, options: StoredAuditOptions = {}): Promise<AuditReport> {
  const anchor = await findAnchor(folder);
  const report = await verifyWith(folder, anchor, options);
  if (report.flaw === undefined) return report;
  // A daemon may have started, or archived, between the two readings; then the newer anchor tells.
  const later = await findAnchor(folder);
  return JSON.stringify(later) === JSON.stringify(anchor) ? report : await verifyWith(folder, later, options);
}

/** Verifies exported or archived files, given in any order, by themselves. */
export async function verifyAuditFiles(
  paths: readonly string[],
  expectedHash: AuditHash | undefined,
): Promise<AuditReport> {
  return await verifyAudit({ files: await inOrder(paths), expectedHash });
}

/**
 * Every record of a state folder, oldest first, in constant memory; a reader that takes its time keeps nothing open. Throws
 * `audit_broken` when records are missing, because they were archived meanwhile or are not there.
 */
export function* storedAuditRecords(folder: string): Generator<AuditRecord, void, void> {
  let last: number | undefined;
  for (;;) {
    const page = pageBehind(folder, last ?? 0);
    for (const record of page) {
      if (last !== undefined && record.sequence !== last + 1) {
        throw new PalyraError(
          "audit_broken",
          `Record ${last + 1} is missing: it was archived meanwhile, or \`palyrad audit verify\` tells what is wrong.`,
        );
      }
      last = record.sequence;
      yield record;
    }
    if (page.length < PAGE_RECORDS) return;
  }
}

function pageBehind(folder: string, after: number): AuditRecord[] {
  using audit = openStoredAudit(folder);
  return audit.records(after).take(PAGE_RECORDS).toArray();
}

async function findAnchor(folder: string): Promise<FoundAnchor> {
  return await readAuditAnchor(folder, await findKey(join(folder, SECRETS_FOLDER)));
}

async function findKey(secretsFolder: string): Promise<Uint8Array | undefined> {
  try {
    await Deno.stat(secretsFolder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  return await readAuditKey(await SecretStore.open(secretsFolder));
}

async function verifyWith(
  folder: string,
  anchor: FoundAnchor,
  { archives = [], expectedHash }: StoredAuditOptions,
): Promise<AuditReport> {
  const files = await inOrder(archives);
  using audit = openStoredAudit(folder);
  const witness = { anchor, highestSequence: audit.highestSequence() };
  return await verifyAudit({ files, table: audit.records(), witness, expectedHash });
}

/** The files in the order of their records. */
async function inOrder(paths: readonly string[]): Promise<AsyncIterable<AuditRecord>[]> {
  const files = await Promise.all(paths.map(async (path) => ({ path, first: await firstSequence(path) })));
  files.sort((left, right) => left.first - right.first);
  return files.map(({ path }) => readAuditFile(path));
}

/** 0 for a file that does not begin with a record: what reads it from there will say so. */
async function firstSequence(path: string): Promise<number> {
  try {
    for await (const record of readAuditFile(path)) return record.sequence;
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error;
  }
  return 0;
}
