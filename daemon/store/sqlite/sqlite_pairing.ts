import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CLIENT_KINDS } from "../../../identity/client_kind.ts";
import { type CanonicalUlid, type DeviceId, isCanonicalUlid, parseDeviceId } from "../../../identity/device_id.ts";
import { parseFingerprint } from "../../../identity/fingerprint.ts";
import type { PairingMethod } from "../../../identity/pairing_code.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import {
  PAIRING_REQUEST_STATES,
  type PairingCodeRecord,
  type PairingCodeState,
  type PairingRequestFilter,
  type PairingRequestRecord,
  type PairingTable,
  type PairingTryRecord,
} from "../pairing_record.ts";
import {
  bytes,
  integer,
  oneOf,
  optionalBytes,
  optionalText,
  optionalTime,
  present,
  type SqliteRow,
  text,
  textList,
  time,
} from "./sqlite_row.ts";

const METHODS: readonly PairingMethod[] = ["qr", "pin"];
const CODE_STATES: readonly PairingCodeState[] = ["live", "spent", "dead", "replaced", "expired"];
const TRIES_KEPT = 5;

function ulidOf(row: SqliteRow, column: string): CanonicalUlid {
  const value = text(row, column);
  if (!isCanonicalUlid(value)) {
    throw new PalyraError("state_damaged", `The state database holds no ULID in column ${column}.`);
  }
  return value;
}

function codeOf(row: SqliteRow): PairingCodeRecord {
  return present({
    codeId: ulidOf(row, "code_id"),
    method: oneOf(row, "method", METHODS),
    clientKind: oneOf(row, "client_kind", CLIENT_KINDS),
    key: optionalBytes(row, "key"),
    approve: integer(row, "approve") === 1,
    issuedBy: text(row, "issued_by"),
    createdAt: time(row, "created_at"),
    expiresAt: time(row, "expires_at"),
    triesLeft: integer(row, "tries_left"),
    state: oneOf(row, "state", CODE_STATES),
  });
}

function tryOf(row: SqliteRow): PairingTryRecord {
  return {
    codeId: ulidOf(row, "code_id"),
    at: time(row, "at"),
    remoteAddress: text(row, "remote_address"),
    deviceId: text(row, "device_id"),
    reason: text(row, "reason"),
  };
}

function requestOf(row: SqliteRow): PairingRequestRecord {
  const certificate = optionalText(row, "certificate_fingerprint");
  return present({
    requestId: ulidOf(row, "request_id"),
    codeId: ulidOf(row, "code_id"),
    deviceId: parseDeviceId(text(row, "device_id")),
    clientKind: oneOf(row, "client_kind", CLIENT_KINDS),
    method: oneOf(row, "method", METHODS),
    state: oneOf(row, "state", PAIRING_REQUEST_STATES),
    devicePublicKey: bytes(row, "device_public_key"),
    identityFingerprint: parseFingerprint(text(row, "identity_fingerprint")),
    csrDer: bytes(row, "csr_der"),
    transcriptHash: text(row, "transcript_hash"),
    platform: text(row, "platform"),
    deviceName: text(row, "device_name"),
    requestedCapabilities: textList(row, "requested_capabilities"),
    remoteAddress: text(row, "remote_address"),
    requestedAt: time(row, "requested_at"),
    expiresAt: time(row, "expires_at"),
    decidedAt: optionalTime(row, "decided_at"),
    decidedBy: optionalText(row, "decided_by"),
    decisionReason: optionalText(row, "decision_reason"),
    certificateFingerprint: certificate === undefined ? undefined : parseFingerprint(certificate),
  });
}

/** {@linkcode PairingTable} on SQLite. */
export class SqlitePairing implements PairingTable {
  readonly #getCode: StatementSync;
  readonly #listLiveCodes: StatementSync;
  readonly #listCodes: StatementSync;
  readonly #newestPin: StatementSync;
  readonly #insertCode: StatementSync;
  readonly #endCode: StatementSync;
  readonly #spendCode: StatementSync;
  readonly #setTriesLeft: StatementSync;
  readonly #insertTry: StatementSync;
  readonly #pruneTries: StatementSync;
  readonly #listTries: StatementSync;
  readonly #getRequest: StatementSync;
  readonly #listRequests: StatementSync;
  readonly #listOpenRequests: StatementSync;
  readonly #countPending: StatementSync;
  readonly #insertRequest: StatementSync;
  readonly #updateRequest: StatementSync;
  readonly #deleteTries: StatementSync;
  readonly #deleteCodes: StatementSync;
  readonly #deleteRequests: StatementSync;

  constructor(db: DatabaseSync) {
    this.#getCode = db.prepare("SELECT * FROM pairing_codes WHERE code_id = ?");
    this.#listLiveCodes = db.prepare("SELECT * FROM pairing_codes WHERE state = 'live' ORDER BY code_id");
    this.#listCodes = db.prepare("SELECT * FROM pairing_codes ORDER BY code_id DESC LIMIT ?");
    this.#newestPin = db.prepare("SELECT * FROM pairing_codes WHERE method = 'pin' ORDER BY code_id DESC LIMIT 1");
    this.#insertCode = db.prepare(`
      INSERT INTO pairing_codes (code_id, method, client_kind, key, approve, issued_by, created_at, expires_at,
        tries_left, state)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#endCode = db.prepare("UPDATE pairing_codes SET state = ?, key = NULL WHERE code_id = ? AND state = 'live'");
    this.#spendCode = db.prepare(
      "UPDATE pairing_codes SET state = 'spent', key = NULL WHERE code_id = ? AND state IN ('live', 'dead')",
    );
    this.#setTriesLeft = db.prepare("UPDATE pairing_codes SET tries_left = ? WHERE code_id = ?");
    this.#insertTry = db.prepare(
      "INSERT INTO pairing_tries (code_id, at, remote_address, device_id, reason) VALUES (?, ?, ?, ?, ?)",
    );
    this.#pruneTries = db.prepare(`
      DELETE FROM pairing_tries WHERE code_id = ?1 AND try_id NOT IN
        (SELECT try_id FROM pairing_tries WHERE code_id = ?1 ORDER BY try_id DESC LIMIT ?2)`);
    this.#listTries = db.prepare("SELECT * FROM pairing_tries WHERE code_id = ? ORDER BY try_id");
    this.#getRequest = db.prepare("SELECT * FROM pairing_requests WHERE request_id = ?");
    this.#listRequests = db.prepare(`
      SELECT * FROM pairing_requests
      WHERE (?2 IS NULL OR CASE WHEN state = 'pending_approval' AND expires_at <= ?1 THEN 'expired' ELSE state END = ?2)
        AND (?3 IS NULL OR client_kind = ?3) AND (?4 IS NULL OR request_id LIKE '%' || ?4)
      ORDER BY request_id DESC LIMIT ?5`);
    this.#listOpenRequests = db.prepare(
      "SELECT * FROM pairing_requests WHERE device_id = ? AND state IN ('pending_approval', 'approved')",
    );
    this.#countPending = db.prepare(
      "SELECT count(*) AS pending FROM pairing_requests WHERE state = 'pending_approval' AND expires_at > ?",
    );
    this.#insertRequest = db.prepare(`
      INSERT INTO pairing_requests (request_id, code_id, device_id, client_kind, method, state, device_public_key,
        identity_fingerprint, csr_der, transcript_hash, platform, device_name, requested_capabilities, remote_address,
        requested_at, expires_at, decided_at, decided_by, decision_reason, certificate_fingerprint)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#updateRequest = db.prepare(`
      UPDATE pairing_requests SET state = ?, decided_at = ?, decided_by = ?, decision_reason = ?,
        certificate_fingerprint = ? WHERE request_id = ?`);
    const endedCodes = `
      SELECT code_id FROM pairing_codes
      WHERE state <> 'live' AND created_at < ?1 AND code_id IS NOT
        (SELECT code_id FROM pairing_codes WHERE method = 'pin' ORDER BY code_id DESC LIMIT 1)
      ORDER BY code_id LIMIT ?2`;
    this.#deleteTries = db.prepare(`DELETE FROM pairing_tries WHERE code_id IN (${endedCodes})`);
    this.#deleteCodes = db.prepare(`DELETE FROM pairing_codes WHERE code_id IN (${endedCodes})`);
    // An approved one waits to be collected.
    this.#deleteRequests = db.prepare(`
      DELETE FROM pairing_requests WHERE request_id IN
        (SELECT request_id FROM pairing_requests
         WHERE requested_at < ?1 AND expires_at < ?1 AND state <> 'approved' ORDER BY request_id LIMIT ?2)`);
  }

  async getCode(codeId: CanonicalUlid): Promise<PairingCodeRecord | undefined> {
    const row = this.#getCode.get(codeId);
    return await Promise.resolve(row && codeOf(row));
  }

  async listLiveCodes(): Promise<PairingCodeRecord[]> {
    return await Promise.resolve(this.#listLiveCodes.all().map(codeOf));
  }

  async listCodes(limit: number): Promise<PairingCodeRecord[]> {
    return await Promise.resolve(this.#listCodes.all(limit).map(codeOf));
  }

  async newestPin(): Promise<PairingCodeRecord | undefined> {
    const row = this.#newestPin.get();
    return await Promise.resolve(row && codeOf(row));
  }

  async insertCode(code: PairingCodeRecord): Promise<void> {
    this.#insertCode.run(
      code.codeId,
      code.method,
      code.clientKind,
      code.key ?? null,
      code.approve ? 1 : 0,
      code.issuedBy,
      code.createdAt,
      code.expiresAt,
      code.triesLeft,
      code.state,
    );
    await Promise.resolve();
  }

  async endCode(codeId: CanonicalUlid, state: Exclude<PairingCodeState, "live">): Promise<void> {
    this.#endCode.run(state, codeId);
    await Promise.resolve();
  }

  async spendCode(codeId: CanonicalUlid): Promise<void> {
    this.#spendCode.run(codeId);
    await Promise.resolve();
  }

  async setTriesLeft(codeId: CanonicalUlid, triesLeft: number): Promise<void> {
    this.#setTriesLeft.run(triesLeft, codeId);
    await Promise.resolve();
  }

  async insertTry(attempt: PairingTryRecord): Promise<void> {
    this.#insertTry.run(attempt.codeId, attempt.at, attempt.remoteAddress, attempt.deviceId, attempt.reason);
    this.#pruneTries.run(attempt.codeId, TRIES_KEPT);
    await Promise.resolve();
  }

  async listTries(codeId: CanonicalUlid): Promise<PairingTryRecord[]> {
    return await Promise.resolve(this.#listTries.all(codeId).map(tryOf));
  }

  async getRequest(requestId: CanonicalUlid): Promise<PairingRequestRecord | undefined> {
    const row = this.#getRequest.get(requestId);
    return await Promise.resolve(row && requestOf(row));
  }

  async listRequests(filter: PairingRequestFilter): Promise<PairingRequestRecord[]> {
    const { at, state = null, clientKind = null, idEnd = null, limit } = filter;
    return await Promise.resolve(this.#listRequests.all(at, state, clientKind, idEnd, limit).map(requestOf));
  }

  async listOpenRequests(deviceId: DeviceId): Promise<PairingRequestRecord[]> {
    return await Promise.resolve(this.#listOpenRequests.all(deviceId).map(requestOf));
  }

  async countPendingRequests(at: UnixMs): Promise<number> {
    const row = this.#countPending.get(at);
    return await Promise.resolve(row ? integer(row, "pending") : 0);
  }

  async insertRequest(request: PairingRequestRecord): Promise<void> {
    this.#insertRequest.run(
      request.requestId,
      request.codeId,
      request.deviceId,
      request.clientKind,
      request.method,
      request.state,
      request.devicePublicKey,
      request.identityFingerprint,
      request.csrDer,
      request.transcriptHash,
      request.platform,
      request.deviceName,
      JSON.stringify(request.requestedCapabilities),
      request.remoteAddress,
      request.requestedAt,
      request.expiresAt,
      request.decidedAt ?? null,
      request.decidedBy ?? null,
      request.decisionReason ?? null,
      request.certificateFingerprint ?? null,
    );
    await Promise.resolve();
  }

  async updateRequest(request: PairingRequestRecord): Promise<void> {
    this.#updateRequest.run(
      request.state,
      request.decidedAt ?? null,
      request.decidedBy ?? null,
      request.decisionReason ?? null,
      request.certificateFingerprint ?? null,
      request.requestId,
    );
    await Promise.resolve();
  }

  async deleteEndedBefore(moment: UnixMs, limit: number): Promise<number> {
    this.#deleteTries.run(moment, limit);
    const codes = this.#deleteCodes.run(moment, limit);
    const requests = this.#deleteRequests.run(moment, limit);
    return await Promise.resolve(Math.max(Number(codes.changes), Number(requests.changes)));
  }
}
