import type { UnixMs } from "../../identity/unix_ms.ts";
import type { AuditHead, AuditRecord } from "../store/audit_record.ts";
import type { AuditAct } from "./audit_act.ts";
import { type AuditHash, auditHashOf, NO_AUDIT_HASH } from "./audit_hash.ts";
import { canonicalJson } from "./canonical_json.ts";
import { netstrings } from "./netstring.ts";

/** Names the encoding, so that a later one can never give the same hash. */
const ENCODING = "palyra audit 1";

/** The longest actor and subject, in UTF-16 units. */
export const MAX_AUDIT_TEXT_CHARACTERS = 256;

/** The longest details, in UTF-16 units of their canonical JSON. */
export const MAX_AUDIT_DETAILS_CHARACTERS: number = 8 * 1024;

/** What there is before the first record. */
export const EMPTY_AUDIT: AuditHead = { sequence: 0, hash: NO_AUDIT_HASH };

/**
 * The hash of a record: SHA-256, in lower-case hex, of eight netstrings one after another (length in bytes of UTF-8, colon,
 * text, comma):
 *
 * 1. `palyra audit 1`
 * 2. the sequence, in decimal
 * 3. the time in Unix milliseconds, in decimal
 * 4. the kind
 * 5. the actor
 * 6. the subject
 * 7. the details: canonical JSON (RFC 8785)
 * 8. the hash of the record before, in lower-case hex; 64 zeros for the first
 */
export function auditRecordHash(record: Omit<AuditRecord, "hash">): AuditHash {
  const { sequence, at, kind, actor, subject, detailsJson, previousHash } = record;
  return auditHashOf(
    netstrings(ENCODING, String(sequence), String(at), kind, actor, subject, detailsJson, previousHash),
  );
}

/** The record that goes on from `head`. */
export function nextAuditRecord(head: AuditHead, act: AuditAct, at: UnixMs): AuditRecord {
  const record = {
    sequence: head.sequence + 1,
    at,
    kind: act.kind,
    actor: auditText(act.actor),
    subject: auditText(act.subject),
    detailsJson: boundedDetails(act),
    previousHash: head.hash,
  };
  return { ...record, hash: auditRecordHash(record) };
}

/** Some of it comes from peers: bounded, and one line. */
function auditText(text: string): string {
  return text.slice(0, MAX_AUDIT_TEXT_CHARACTERS).toWellFormed().replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

/** An act is recorded even if its details turn out too long: then by their hash. */
function boundedDetails({ details }: AuditAct): string {
  const json = canonicalJson(details);
  if (json.length <= MAX_AUDIT_DETAILS_CHARACTERS) return json;
  return canonicalJson({ too_long: true, sha256: auditHashOf(json) });
}
