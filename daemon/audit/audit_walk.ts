import * as v from "valibot";
import { parseJsonObject } from "../json_object.ts";
import type { AuditHead, AuditRecord } from "../store/audit_record.ts";
import { auditRecordHash, EMPTY_AUDIT } from "./audit_chain.ts";
import type { AuditFlaw, AuditFlawKind } from "./audit_flaw.ts";
import { type AuditHash, isAuditHash } from "./audit_hash.ts";
import { UnreadableRecordError } from "./unreadable_record_error.ts";

const ArchivedShape = v.object({
  last_sequence: v.number(),
  last_hash: v.pipe(v.string(), v.check(isAuditHash), v.transform((text) => text as AuditHash)),
});

/** What is to be looked out for on the way. */
export interface AuditWalkGoals {
  /** The record whose hash is wanted. */
  readonly sequence?: number | undefined;
  /** The hash whose record is wanted. */
  readonly hash?: AuditHash | undefined;
}

/** A record that is not right, until the ones behind it have told what happened. */
interface Suspect {
  readonly record: AuditRecord;
  readonly content: AuditHash;
}

/**
 * Goes along the chain record by record, in constant memory, and stops believing at the first one that does not fit. What
 * comes behind that one is only asked what may have happened to it.
 */
export class AuditWalk {
  readonly #goals: AuditWalkGoals;
  /** The head before the newest: what a record that was inserted took the place of. */
  #beforeHead: AuditHead = EMPTY_AUDIT;
  #suspect: Suspect | undefined;

  /** The oldest record. */
  first: AuditRecord | undefined;
  /** The newest record that fits. */
  head: AuditHead = EMPTY_AUDIT;
  /** Records that fit. */
  count = 0;
  flaw: AuditFlaw | undefined;
  /** Up to where the newest `audit.archived` says that records were archived. */
  archived: AuditHead | undefined;
  /** The first `audit.damaged`. */
  damaged: AuditFlaw | undefined;
  /** The hash of the record that was looked out for. */
  hashAtGoal: AuditHash | undefined;
  /** The record of the hash that was looked out for. */
  sequenceAtGoal: number | undefined;

  constructor(goals: AuditWalkGoals = {}) {
    this.#goals = goals;
  }

  /** Goes on along `records`. */
  async along(records: AsyncIterable<AuditRecord> | Iterable<AuditRecord>): Promise<void> {
    try {
      for await (const record of records) this.#step(record);
    } catch (error) {
      if (!(error instanceof UnreadableRecordError)) throw error;
      this.#fail("unreadable", this.head.sequence + 1, `cannot be read: ${error.message}.`);
    }
  }

  #step(record: AuditRecord): void {
    if (this.#suspect !== undefined) return this.#ask(this.#suspect, record);
    if (this.flaw !== undefined) return;
    this.#meet(record);
    const content = auditRecordHash(record);
    const expected = this.head;
    if (record.sequence > expected.sequence + 1) return this.#failGap(expected.sequence + 1, record.sequence - 1);
    if (record.sequence <= expected.sequence) {
      return this.#fail("swapped", record.sequence, `stands behind record ${expected.sequence}.`);
    }
    if (content !== record.hash) return this.#suspectOf({ record, content });
    if (record.previousHash !== expected.hash) return this.#failLink(record);
    this.#beforeHead = expected;
    this.head = { sequence: record.sequence, hash: record.hash };
    this.count++;
    this.#note(record);
  }

  /** The first record goes on from what it says itself; where that leads is for others to judge. */
  #meet(record: AuditRecord): void {
    if (this.first !== undefined) return;
    this.first = record;
    if (record.sequence > 1) this.head = { sequence: record.sequence - 1, hash: record.previousHash };
  }

  #note(record: AuditRecord): void {
    if (record.sequence === this.#goals.sequence) this.hashAtGoal = record.hash;
    if (record.hash === this.#goals.hash) this.sequenceAtGoal = record.sequence;
    if (record.kind === "audit.archived") {
      const { success, output } = v.safeParse(ArchivedShape, parseJsonObject(record.detailsJson));
      if (success) this.archived = { sequence: output.last_sequence, hash: output.last_hash };
    }
    if (record.kind === "audit.damaged") this.damaged ??= recordedDamage(record);
  }

  #suspectOf(suspect: Suspect): void {
    const { record } = suspect;
    const { sequence, previousHash } = record;
    if (previousHash === this.#beforeHead.hash && fitsAs(record, sequence - 1)) {
      return this.#fail(
        "inserted",
        sequence - 1,
        `was put in; what was record ${sequence - 1} is record ${sequence} now.`,
      );
    }
    this.#suspect = suspect;
    this.#fail("changed", sequence, "was changed: its content does not give the hash that it was written with.");
  }

  /** What a record behind the suspect tells of it. */
  #ask({ record: suspect, content }: Suspect, record: AuditRecord): void {
    const { sequence } = suspect;
    if (record.sequence === sequence + 1 && record.previousHash === content) {
      this.flaw = flawOf("changed", sequence, "was changed: its hash is not the one that it was written with.");
    }
    if (!fitsAs(suspect, record.sequence)) return;
    this.#suspect = undefined;
    this.flaw = fitsAs(record, sequence)
      ? flawOf("swapped", sequence, `and record ${record.sequence} stand in each other's place.`)
      : flawOf("removed", sequence, `is missing; record ${record.sequence} was put in its place.`);
  }

  #failGap(from: number, to: number): void {
    if (from === to) return this.#fail("removed", from, "is missing.");
    this.flaw = { kind: "removed", sequence: from, message: `Records ${from} to ${to} are missing.` };
  }

  /** The record is whole and does not go on from the one before: so that one is not what was there. */
  #failLink({ sequence }: AuditRecord): void {
    if (sequence === 1) return this.#fail("replaced", 1, "does not begin the chain: it goes on from another record.");
    this.#fail("replaced", sequence - 1, `was replaced: record ${sequence} goes on from another one.`);
  }

  #fail(kind: AuditFlawKind, sequence: number, what: string): void {
    this.flaw ??= flawOf(kind, sequence, what);
  }
}

/** Whether a record is right in another place than its own. */
function fitsAs(record: AuditRecord, sequence: number): boolean {
  return auditRecordHash({ ...record, sequence }) === record.hash;
}

function flawOf(kind: AuditFlawKind, sequence: number, what: string): AuditFlaw {
  return { kind, sequence, message: `Record ${sequence} ${what}` };
}

function recordedDamage({ sequence, at, detailsJson }: AuditRecord): AuditFlaw {
  const finding = parseJsonObject(detailsJson)?.["finding"];
  const when = new Date(at).toISOString();
  return flawOf("damage_recorded", sequence, `tells what the daemon found wrong at ${when}: ${String(finding)}.`);
}
