import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import type { AuditAct } from "../audit/audit_act.ts";
import { auditRecordHash, EMPTY_AUDIT, nextAuditRecord } from "../audit/audit_chain.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import { NOW } from "./store_records.ts";

/** An act that says its number. */
export function anAct(number: number): AuditAct {
  return {
    kind: "device.revoked",
    actor: "operator",
    subject: `device-${number}`,
    details: { device_name: "laptop", reason: `reason ${number}` },
  };
}

/** When the act of that number happened. */
export function timeOf(number: number): UnixMs {
  return unixMs(NOW + number * 1_000);
}

/** A chain of so many records. */
export function aChain(length: number): AuditRecord[] {
  const records: AuditRecord[] = [];
  for (let number = 1; number <= length; number++) {
    records.push(nextAuditRecord(records.at(-1) ?? EMPTY_AUDIT, anAct(number), timeOf(number)));
  }
  return records;
}

/** The records made into a chain again by who knows how: numbers, links and hashes all fit. */
export function rechained(records: readonly AuditRecord[]): AuditRecord[] {
  const chain: AuditRecord[] = [];
  for (const record of records) {
    const before = chain.at(-1) ?? EMPTY_AUDIT;
    const next = { ...record, sequence: before.sequence + 1, previousHash: before.hash };
    chain.push({ ...next, hash: auditRecordHash(next) });
  }
  return chain;
}
