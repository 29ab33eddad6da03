/**
 * What is wrong with an audit:
 *
 * - `changed`: a record's content or hash is not what was written
 * - `replaced`: a record was exchanged for one that was made up, together with its hash
 * - `removed`, `inserted`, `swapped`: records are missing, are too many, or stand in each other's place
 * - `truncated`: the newest records are missing
 * - `rewritten`: the records fit each other, and not the anchor
 * - `added`: records were added while no daemon ran
 * - `unreadable`: in the place of a record is something else
 * - `anchor_missing`, `anchor_forged`: nothing proves that the newest records are all there
 * - `head_not_found`: the head that was noted elsewhere is not in the chain
 * - `damage_recorded`: the daemon itself found it damaged at an earlier time, and wrote that into it
 */
export type AuditFlawKind =
  | "changed"
  | "replaced"
  | "removed"
  | "inserted"
  | "swapped"
  | "truncated"
  | "rewritten"
  | "added"
  | "unreadable"
  | "anchor_missing"
  | "anchor_forged"
  | "head_not_found"
  | "damage_recorded";

/** What is wrong with an audit, and where it begins. */
export interface AuditFlaw {
  readonly kind: AuditFlawKind;
  /** The first record that is not as it was written; 0 where it is none in particular. */
  readonly sequence: number;
  /** For people: one or two sentences. */
  readonly message: string;
}
