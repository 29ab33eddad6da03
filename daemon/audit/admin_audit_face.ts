import { PalyraError } from "../../identity/palyra_error.ts";
import type {
  AuditRecordView,
  ForgetArchivedAuditRequest,
  ForgetArchivedAuditResponse,
  ReadAuditRequest,
} from "../../proto/gen/admin.ts";
import type { KnownPeer } from "../device_registry.ts";
import { isLocalOperator } from "../local_operator.ts";
import { operatorName } from "../operator_name.ts";
import type { AuditRecord } from "../store/audit_record.ts";
import { AUDIT_KINDS, type AuditKind, isAuditKind } from "./audit_act.ts";
import { isAuditHash } from "./audit_hash.ts";
import type { AuditLog } from "./audit_log.ts";

/** The calls of AdminService that are about the audit. */
export class AdminAuditFace {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  /** The records behind one; when asked to follow, each new one too, until `signal` fires. */
  async *readAudit(request: ReadAuditRequest, signal: AbortSignal): AsyncGenerator<AuditRecordView, void, void> {
    const kind = request.kind === "" ? undefined : parseAuditKind(request.kind);
    for await (const record of this.#audit.read(request.afterSequence, kind, request.follow, signal)) {
      yield auditRecordView(record);
    }
  }

  /**
   * Deletes what was archived. Another operator than that of the daemon's own machine is refused (`not_an_operator`):
   * whoever steals its certificate could cover its tracks.
   */
  async forgetArchivedAudit(
    { throughSequence, hash }: ForgetArchivedAuditRequest,
    { device }: KnownPeer,
  ): Promise<ForgetArchivedAuditResponse> {
    if (!isLocalOperator(device)) {
      throw new PalyraError(
        "not_an_operator",
        "The audit is archived on the daemon's own machine only, by whoever owns its state folder.",
      );
    }
    if (!isAuditHash(hash)) {
      throw new PalyraError("invalid_argument", "A hash of the audit is 64 lower-case hex digits.");
    }
    return { deleted: await this.#audit.forget({ sequence: throughSequence, hash }, operatorName(device)) };
  }
}

/** Narrows text from a caller; throws `invalid_argument` with the kinds that there are. */
export function parseAuditKind(text: string): AuditKind {
  if (isAuditKind(text)) return text;
  throw new PalyraError("invalid_argument", `The audit has no such kind of record. It has ${AUDIT_KINDS.join(", ")}.`);
}

function auditRecordView(record: AuditRecord): AuditRecordView {
  const { sequence, at, kind, actor, subject, detailsJson, previousHash, hash } = record;
  return {
    sequence,
    atUnixMs: at,
    kind,
    actor,
    subject,
    detailsJson: new TextEncoder().encode(detailsJson),
    previousHash,
    hash,
  };
}
