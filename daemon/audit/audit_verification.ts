import type { AuditHead, AuditRecord } from "../store/audit_record.ts";
import type { FoundAnchor } from "./audit_anchor.ts";
import type { AuditFlaw } from "./audit_flaw.ts";
import type { AuditHash } from "./audit_hash.ts";
import { AuditWalk } from "./audit_walk.ts";

/** What the daemon's state folder knows of its audit, beside the records. */
export interface AuditWitness {
  readonly anchor: FoundAnchor;
  /** The highest number there has ever been, as far as the database knows. */
  readonly highestSequence: number;
}

/** What {@linkcode verifyAudit} goes by. */
export interface AuditVerificationOptions {
  /** Archives and exports, oldest first. */
  readonly files?: readonly AsyncIterable<AuditRecord>[];
  /** The records of the daemon's database, which go on from the files. */
  readonly table?: Iterable<AuditRecord>;
  /** Must be given with `table`. */
  readonly witness?: AuditWitness;
  /** A hash that was noted elsewhere and has to be in the chain. */
  readonly expectedHash?: AuditHash | undefined;
}

/** What became of a verification. */
export interface AuditReport {
  /** The first thing that is wrong; undefined when nothing is. */
  readonly flaw: AuditFlaw | undefined;
  /** Records that fit. */
  readonly count: number;
  /** The number of the oldest; 0 when there is none. */
  readonly first: number;
  /** The newest that fits. */
  readonly head: AuditHead;
  readonly anchor: FoundAnchor | undefined;
  /** Which record has the hash that was expected. */
  readonly expectedAt: number | undefined;
}

/**
 * Verifies an audit: that each record is as it was hashed and goes on from the one before; that the oldest is the first
 * there ever was, or goes on from what was archived; and, with the witness, that the newest are all there. How much the
 * last proves depends on the anchor: of what is newer than it, only the chain.
 */
export async function verifyAudit(options: AuditVerificationOptions): Promise<AuditReport> {
  const { files = [], table, witness, expectedHash } = options;
  const anchor = witness?.anchor;
  const walk = new AuditWalk({
    sequence: typeof anchor === "object" ? anchor.sequence : undefined,
    hash: expectedHash,
  });
  for (const file of files) {
    // deno-lint-ignore no-await-in-loop -- each goes on from the one before
    await walk.along(file);
  }
  if (table !== undefined) await walk.along(table);
  const flaw = walk.flaw ??
    (files.length === 0 && table !== undefined ? flawOfBeginning(walk, anchor) : undefined) ??
    (witness === undefined ? undefined : flawOfEnd(walk, witness)) ??
    walk.damaged ??
    flawOfExpectation(walk, expectedHash);
  const { count, first, head, sequenceAtGoal } = walk;
  return { flaw, count, first: first?.sequence ?? 0, head, anchor, expectedAt: sequenceAtGoal };
}

function flawOfBeginning({ first, archived }: AuditWalk, anchor: FoundAnchor | undefined): AuditFlaw | undefined {
  if (first === undefined || first.sequence === 1) return undefined;
  const last = first.sequence - 1;
  if (archived?.sequence !== last || archived.hash !== first.previousHash) {
    return missing(1, last, "no record tells that they were archived");
  }
  // Anybody can write such a record; the daemon alone writes the anchor, before it deletes.
  const known = typeof anchor === "object" ? anchor.archived?.sequence : undefined;
  return known === undefined || last <= known
    ? undefined
    : missing(known + 1, last, "the anchor does not say that they were archived");
}

function missing(from: number, to: number, why: string): AuditFlaw {
  const gone = from === to ? `Record ${from} is` : `Records ${from} to ${to} are`;
  return { kind: "removed", sequence: from, message: `${gone} missing, and ${why}.` };
}

function flawOfEnd({ first, head, hashAtGoal }: AuditWalk, { anchor, highestSequence }: AuditWitness) {
  const anchored = typeof anchor === "object" ? anchor.sequence : 0;
  const highest = Math.max(anchored, highestSequence);
  if (highest > head.sequence) return cutOff(head.sequence + 1, highest);
  // Nothing has been written yet, and nothing is missed.
  if (anchor === "missing") return head.sequence === 0 ? undefined : NO_ANCHOR;
  if (anchor === "forged") return FORGED_ANCHOR;
  // The daemon moves the anchor past what it is about to delete.
  if (first !== undefined && anchored > 0 && anchored < first.sequence - 1) {
    return rewritten(anchored, `Record ${anchored}, which the anchor names, was deleted; an old anchor was put back.`);
  }
  const hash = hashAtGoal ?? (first?.sequence === anchored + 1 ? first.previousHash : undefined);
  if (anchored > 0 && hash !== anchor.hash) {
    return rewritten(anchored, `Record ${anchored} is not the one that the anchor names: the chain was made anew.`);
  }
  if (anchor.closed && head.sequence > anchored) {
    return {
      kind: "added",
      sequence: anchored + 1,
      message: `Record ${anchored + 1} was added while no daemon ran: the last that it wrote was ${anchored}.`,
    } as const;
  }
  return undefined;
}

function cutOff(from: number, to: number): AuditFlaw {
  const message = from === to
    ? `Record ${from} is missing: the end was cut off.`
    : `Records ${from} to ${to} are missing: the end was cut off.`;
  return { kind: "truncated", sequence: from, message };
}

function rewritten(sequence: number, message: string): AuditFlaw {
  return { kind: "rewritten", sequence, message };
}

const NO_ANCHOR: AuditFlaw = {
  kind: "anchor_missing",
  sequence: 0,
  message: "The anchor is gone, so nothing proves that the newest records are all there.",
};

const FORGED_ANCHOR: AuditFlaw = {
  kind: "anchor_forged",
  sequence: 0,
  message:
    "The anchor was not written with this daemon's key, so nothing proves that the newest records are all there.",
};

function flawOfExpectation(walk: AuditWalk, expected: AuditHash | undefined): AuditFlaw | undefined {
  if (expected === undefined || walk.sequenceAtGoal !== undefined) return undefined;
  // What was archived up to is known by its hash as well.
  if (walk.first?.previousHash === expected && walk.first.sequence > 1) return undefined;
  return {
    kind: "head_not_found",
    sequence: 0,
    message: "No record has the hash that you expect: the chain was cut off before it, or made anew.",
  };
}
