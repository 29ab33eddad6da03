import * as v from "valibot";
import { stateError } from "../../identity/state_error.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { type JsonObject, parseJsonObject } from "../json_object.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import { type AuditHash, isAuditHash } from "./audit_hash.ts";
import { canonicalJson } from "./canonical_json.ts";
import { UnreadableRecordError } from "./unreadable_record_error.ts";

/** The longest line that is read, in UTF-16 units: more than a record can take. */
const MAX_LINE_CHARACTERS: number = 128 * 1024;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash = v.pipe(v.string(), v.check(isAuditHash), v.transform((text) => text as AuditHash));

const LineShape = v.strictObject({
  sequence: count,
  at_unix_ms: v.pipe(count, v.transform((at): UnixMs => unixMs(at))),
  kind: v.string(),
  actor: v.string(),
  subject: v.string(),
  details: v.union([v.string(), v.custom<JsonObject>((value) => typeof value === "object" && value !== null)]),
  previous_hash: hash,
  hash,
});

/** A record as people and programs read it: one line of an exported or archived file. */
export interface AuditLine {
  readonly sequence: number;
  readonly at_unix_ms: number;
  readonly kind: string;
  readonly actor: string;
  readonly subject: string;
  /** A JSON object; text where what was stored is none, as only somebody else than the daemon could do. */
  readonly details: JsonObject | string;
  readonly previous_hash: string;
  readonly hash: string;
}

/** The record as a line. */
export function auditLine(record: AuditRecord): AuditLine {
  const { sequence, at, kind, actor, subject, detailsJson, previousHash, hash } = record;
  const details = parseJsonObject(detailsJson) ?? detailsJson;
  return { sequence, at_unix_ms: at, kind, actor, subject, details, previous_hash: previousHash, hash };
}

/** The record that a line stands for; throws {@linkcode UnreadableRecordError} when it is none. */
export function parseAuditLine(line: string): AuditRecord {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    throw new UnreadableRecordError("a line is not JSON", { cause });
  }
  const parsed = v.safeParse(LineShape, json);
  if (!parsed.success) throw new UnreadableRecordError("a line is not a record");
  const { sequence, at_unix_ms, kind, actor, subject, details, previous_hash, hash } = parsed.output;
  const detailsJson = typeof details === "string" ? details : canonicalJson(details);
  return { sequence, at: at_unix_ms, kind, actor, subject, detailsJson, previousHash: previous_hash, hash };
}

/**
 * The records of an exported or archived file (JSON Lines), in the order in which they stand there, in constant memory.
 * Throws {@linkcode UnreadableRecordError} at a line that is none, and the system's error when the file cannot be read.
 */
export async function* readAuditFile(path: string): AsyncGenerator<AuditRecord, void, void> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true });
  } catch (error) {
    throw stateError(error, path);
  }
  let rest = "";
  // The stream closes the file, also when its reader leaves early.
  for await (const chunk of file.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield parseAuditLine(line);
    if (rest.length > MAX_LINE_CHARACTERS) throw new UnreadableRecordError("a line is too long");
  }
  if (rest !== "") yield parseAuditLine(rest);
}
