import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type CanonicalUlid, type DeviceId, isCanonicalUlid, parseDeviceId } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { REQUEST_STATES } from "../../request_state.ts";
import {
  type CapabilityRequestRecord,
  LISTED_INPUT_BYTES,
  type RequestFilter,
  type RequestTable,
} from "../capability_request_record.ts";
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
  time,
} from "./sqlite_row.ts";

/** What a listing reads: inputs and outputs may have megabytes each. */
const LISTED = `
  SELECT request_id, device_id, capability, state, attempt, epoch, instance_id, idempotent,
    substr(input_json, 1, ${LISTED_INPUT_BYTES}) AS input_json, max_payload_bytes, deadline, requested_by,
    idempotency_key, created_at, updated_at, dispatched_at, completed_at, NULL AS output_json, error_code, error
  FROM requests`;

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
    idempotent: integer(row, "idempotent") === 1,
    inputJson: bytes(row, "input_json"),
    maxPayloadBytes: integer(row, "max_payload_bytes"),
    deadline: time(row, "deadline"),
    requestedBy: text(row, "requested_by"),
    idempotencyKey: optionalText(row, "idempotency_key"),
    createdAt: time(row, "created_at"),
    updatedAt: time(row, "updated_at"),
    dispatchedAt: optionalTime(row, "dispatched_at"),
    completedAt: optionalTime(row, "completed_at"),
    outputJson: optionalBytes(row, "output_json"),
    errorCode: optionalText(row, "error_code"),
    error: optionalText(row, "error"),
  });
}

/** {@linkcode RequestTable} on SQLite. */
export class SqliteRequests implements RequestTable {
  readonly #get: StatementSync;
  readonly #findByKey: StatementSync;
  readonly #listUnfinished: StatementSync;
  readonly #list: StatementSync;
  readonly #listOfDevice: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM requests WHERE request_id = ?");
    this.#findByKey = db.prepare("SELECT * FROM requests WHERE device_id = ? AND idempotency_key = ?");
    this.#listUnfinished = db.prepare("SELECT * FROM requests WHERE completed_at IS NULL ORDER BY request_id");
    this.#list = db.prepare(
      `${LISTED} WHERE ?1 IS NULL OR state = ?1 ORDER BY request_id DESC LIMIT ?2`,
    );
    this.#listOfDevice = db.prepare(
      `${LISTED} WHERE device_id = ?3 AND (?1 IS NULL OR state = ?1) ORDER BY request_id DESC LIMIT ?2`,
    );
    this.#insert = db.prepare(`
      INSERT INTO requests (request_id, device_id, capability, state, attempt, epoch, instance_id, idempotent, input_json,
        max_payload_bytes, deadline, requested_by, idempotency_key, created_at, updated_at, dispatched_at, completed_at,
        output_json, error_code, error)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#update = db.prepare(`
      UPDATE requests SET state = ?, attempt = ?, epoch = ?, instance_id = ?, updated_at = ?, dispatched_at = ?, completed_at = ?,
        output_json = ?, error_code = ?, error = ? WHERE request_id = ?`);
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

  async list(filter: RequestFilter): Promise<CapabilityRequestRecord[]> {
    const state = filter.state ?? null;
    const rows = filter.deviceId === undefined
      ? this.#list.all(state, filter.limit)
      : this.#listOfDevice.all(state, filter.limit, filter.deviceId);
    return await Promise.resolve(rows.map(requestOf));
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
      request.idempotent ? 1 : 0,
      request.inputJson,
      request.maxPayloadBytes,
      request.deadline,
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

  async update(request: CapabilityRequestRecord): Promise<void> {
    this.#update.run(
      request.state,
      request.attempt,
      request.epoch,
      request.instanceId ?? null,
      request.updatedAt,
      request.dispatchedAt ?? null,
      request.completedAt ?? null,
      request.outputJson ?? null,
      request.errorCode ?? null,
      request.error ?? null,
      request.requestId,
    );
    await Promise.resolve();
  }
}
