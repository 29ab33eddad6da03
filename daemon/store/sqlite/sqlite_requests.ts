import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type CanonicalUlid, type DeviceId, isCanonicalUlid, parseDeviceId } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { ulidFrom } from "../../../identity/ulid_bytes.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import { ON_DISCONNECT_CHOICES } from "../../on_disconnect.ts";
import { REQUEST_PRIORITIES } from "../../request_priority.ts";
import { hasEnded, REQUEST_STATES, type RequestState } from "../../request_state.ts";
import {
  type CapabilityRequestRecord,
  type LateResult,
  LISTED_INPUT_BYTES,
  type RequestFilter,
  type RequestTable,
} from "../capability_request_record.ts";
import {
  bytes,
  integer,
  oneOf,
  optionalBytes,
  optionalOneOf,
  optionalText,
  optionalTime,
  present,
  type SqliteRow,
  text,
  time,
} from "./sqlite_row.ts";

/** What a listing reads: inputs and outputs may have megabytes each. */
const LISTED = `
  SELECT request_id, device_id, capability, state, attempt, epoch, instance_id, journal_id, idempotent,
    substr(input_json, 1, ${LISTED_INPUT_BYTES}) AS input_json, max_payload_bytes, priority, on_disconnect, deadline,
    ttl_ends_at, requested_by, idempotency_key, created_at, updated_at, dispatched_at, completed_at,
    NULL AS output_json, error_code, error, late_attempt, late_at, late_success, late_error_code
  FROM requests`;

/** The lowest ULID of a moment has it. */
const NO_RANDOMNESS = new Uint8Array(10);

function lateResultOf(row: SqliteRow): LateResult | undefined {
  if (row["late_at"] === null) return undefined;
  return {
    attempt: integer(row, "late_attempt"),
    at: time(row, "late_at"),
    success: integer(row, "late_success") === 1,
    errorCode: text(row, "late_error_code"),
  };
}

function requestOf(row: SqliteRow): CapabilityRequestRecord {
  const requestId = text(row, "request_id");
  if (!isCanonicalUlid(requestId)) {
    throw new PalyraError("state_damaged", "The state database holds a request without a valid id.");
  }
  return present({
    requestId,
    deviceId: parseDeviceId(text(row, "device_id")),
    capability: text(row, "capability"),
    state: oneOf(row, "state", REQUEST_STATES),
    attempt: integer(row, "attempt"),
    epoch: integer(row, "epoch"),
    instanceId: optionalText(row, "instance_id"),
    journalId: optionalText(row, "journal_id"),
    idempotent: integer(row, "idempotent") === 1,
    inputJson: bytes(row, "input_json"),
    maxPayloadBytes: integer(row, "max_payload_bytes"),
    priority: oneOf(row, "priority", REQUEST_PRIORITIES),
    onDisconnect: optionalOneOf(row, "on_disconnect", ON_DISCONNECT_CHOICES),
    deadline: time(row, "deadline"),
    ttlEndsAt: time(row, "ttl_ends_at"),
    requestedBy: text(row, "requested_by"),
    idempotencyKey: optionalText(row, "idempotency_key"),
    createdAt: time(row, "created_at"),
    updatedAt: time(row, "updated_at"),
    dispatchedAt: optionalTime(row, "dispatched_at"),
    completedAt: optionalTime(row, "completed_at"),
    outputJson: optionalBytes(row, "output_json"),
    errorCode: optionalText(row, "error_code"),
    error: optionalText(row, "error"),
    lateResult: lateResultOf(row),
  });
}

/** The listings by the state they ask for; each goes by an index of its own. */
function prepareListings(db: DatabaseSync, narrowed: string): ReadonlyMap<RequestState | undefined, StatementSync> {
  const listing = (condition: string) =>
    db.prepare(`${LISTED} WHERE ${narrowed} AND ${condition} ORDER BY request_id DESC LIMIT :limit`);
  return new Map<RequestState | undefined, StatementSync>([
    [undefined, listing("true")],
    ...REQUEST_STATES.map((state): [RequestState, StatementSync] => {
      const one = `state = '${state}'`;
      if (!hasEnded(state)) return [state, listing(`${one} AND completed_at IS NULL`)];
      // Bad ends are few, so that looking for them must not mean reading all that went well.
      return [state, listing(state === "succeeded" ? one : `${one} AND error_code IS NOT NULL`)];
    }),
  ]);
}

/** {@linkcode RequestTable} on SQLite. */
export class SqliteRequests implements RequestTable {
  readonly #get: StatementSync;
  readonly #findByKey: StatementSync;
  readonly #listUnfinished: StatementSync;
  readonly #listings: ReadonlyMap<RequestState | undefined, StatementSync>;
  readonly #listingsOfDevice: ReadonlyMap<RequestState | undefined, StatementSync>;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #setLateResult: StatementSync;
  readonly #deleteEnded: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM requests WHERE request_id = ?");
    this.#findByKey = db.prepare("SELECT * FROM requests WHERE device_id = ? AND idempotency_key = ?");
    this.#listUnfinished = db.prepare("SELECT * FROM requests WHERE completed_at IS NULL ORDER BY request_id");
    this.#listings = prepareListings(db, "true");
    this.#listingsOfDevice = prepareListings(db, "device_id = :device_id");
    this.#insert = db.prepare(`
      INSERT INTO requests (request_id, device_id, capability, state, attempt, epoch, instance_id, journal_id, idempotent,
        input_json, max_payload_bytes, priority, on_disconnect, deadline, ttl_ends_at, requested_by, idempotency_key,
        created_at, updated_at, dispatched_at, completed_at, output_json, error_code, error)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = db.prepare(`
      UPDATE requests SET state = ?, attempt = ?, epoch = ?, instance_id = ?, journal_id = ?, updated_at = ?,
        dispatched_at = ?, completed_at = ?, output_json = ?, error_code = ?, error = ? WHERE request_id = ?`);
    this.#setLateResult = db.prepare(`
      UPDATE requests SET late_attempt = ?, late_at = ?, late_success = ?, late_error_code = ?
      WHERE request_id = ? AND completed_at IS NOT NULL AND late_at IS NULL`);
    // By the key, which begins with the time of the making: no index has to be kept for it.
    this.#deleteEnded = db.prepare(`
      DELETE FROM requests WHERE request_id IN
        (SELECT request_id FROM requests WHERE request_id < ?1 AND completed_at < ?2 ORDER BY request_id LIMIT ?3)`);
  }

  async get(requestId: CanonicalUlid): Promise<CapabilityRequestRecord | undefined> {
    const row = this.#get.get(requestId);
    return await Promise.resolve(row && requestOf(row));
  }

  async findByIdempotencyKey(deviceId: DeviceId, key: string): Promise<CapabilityRequestRecord | undefined> {
    const row = this.#findByKey.get(deviceId, key);
    return await Promise.resolve(row && requestOf(row));
  }

  async listUnfinished(): Promise<CapabilityRequestRecord[]> {
    return await Promise.resolve(this.#listUnfinished.all().map(requestOf));
  }

  async list({ deviceId, state, limit }: RequestFilter): Promise<CapabilityRequestRecord[]> {
    const rows = deviceId === undefined
      ? this.#listings.get(state)?.all({ limit })
      : this.#listingsOfDevice.get(state)?.all({ limit, device_id: deviceId });
    return await Promise.resolve((rows ?? []).map(requestOf));
  }

  async insert(request: CapabilityRequestRecord): Promise<void> {
    this.#insert.run(
      request.requestId,
      request.deviceId,
      request.capability,
      request.state,
      request.attempt,
      request.epoch,
      request.instanceId ?? null,
      request.journalId ?? null,
      request.idempotent ? 1 : 0,
      request.inputJson,
      request.maxPayloadBytes,
      request.priority,
      request.onDisconnect ?? null,
      request.deadline,
      request.ttlEndsAt,
      request.requestedBy,
      request.idempotencyKey ?? null,
      request.createdAt,
      request.updatedAt,
      request.dispatchedAt ?? null,
      request.completedAt ?? null,
      request.outputJson ?? null,
      request.errorCode ?? null,
      request.error ?? null,
    );
    await Promise.resolve();
  }

  async update(request: CapabilityRequestRecord): Promise<boolean> {
    const { changes } = this.#update.run(
      request.state,
      request.attempt,
      request.epoch,
      request.instanceId ?? null,
      request.journalId ?? null,
      request.updatedAt,
      request.dispatchedAt ?? null,
      request.completedAt ?? null,
      request.outputJson ?? null,
      request.errorCode ?? null,
      request.error ?? null,
      request.requestId,
    );
    return await Promise.resolve(Number(changes) > 0);
  }

  async setLateResult(requestId: CanonicalUlid, late: LateResult): Promise<void> {
    this.#setLateResult.run(late.attempt, late.at, late.success ? 1 : 0, late.errorCode, requestId);
    await Promise.resolve();
  }

  async deleteEndedBefore(moment: UnixMs, limit: number): Promise<number> {
    const { changes } = this.#deleteEnded.run(ulidFrom(moment, NO_RANDOMNESS), moment, limit);
    return await Promise.resolve(Number(changes));
  }
}
