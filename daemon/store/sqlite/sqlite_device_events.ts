import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DeviceId } from "../../../identity/device_id.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import type { DeviceAct } from "../../device_act.ts";
import type { DeviceEventPage, DeviceEventRecord, DeviceEventTable } from "../device_event_record.ts";
import { integer, jsonObject, optionalInteger, type SqliteRow, text, time } from "./sqlite_row.ts";

function eventOf(row: SqliteRow): DeviceEventRecord {
  return {
    sequence: integer(row, "sequence"),
    name: text(row, "name"),
    payload: jsonObject(row, "payload_json"),
    at: time(row, "at"),
  };
}

/** {@linkcode DeviceEventTable} on SQLite. */
export class SqliteDeviceEvents implements DeviceEventTable {
  readonly #kept: number;
  readonly #next: StatementSync;
  readonly #insert: StatementSync;
  readonly #drop: StatementSync;
  readonly #bounds: StatementSync;
  readonly #read: StatementSync;
  readonly #appendedTo = new Set<DeviceId>();

  /** `kept`: events of one device beyond which the oldest are dropped. */
  constructor(db: DatabaseSync, kept: number) {
    this.#kept = kept;
    this.#next = db.prepare(`
      INSERT INTO device_event_logs (device_id, newest) VALUES (?, 1)
      ON CONFLICT (device_id) DO UPDATE SET newest = newest + 1 RETURNING newest`);
    this.#insert = db.prepare(
      "INSERT INTO device_events (device_id, sequence, name, payload_json, at) VALUES (?, ?, ?, ?, ?)",
    );
    this.#drop = db.prepare("DELETE FROM device_events WHERE device_id = ? AND sequence <= ?");
    this.#bounds = db.prepare(`
      SELECT newest, (SELECT min(sequence) FROM device_events WHERE device_id = ?1) AS oldest
      FROM device_event_logs WHERE device_id = ?1`);
    this.#read = db.prepare(
      "SELECT * FROM device_events WHERE device_id = ? AND sequence > ? ORDER BY sequence LIMIT ?",
    );
  }

  async append(deviceId: DeviceId, act: DeviceAct, at: UnixMs): Promise<DeviceEventRecord> {
    const { name, payload } = act;
    const sequence = integer(this.#next.get(deviceId) ?? {}, "newest");
    this.#insert.run(deviceId, sequence, name, JSON.stringify(payload), at);
    this.#drop.run(deviceId, sequence - this.#kept);
    this.#appendedTo.add(deviceId);
    return await Promise.resolve({ sequence, name, payload, at });
  }

  async read(deviceId: DeviceId, after: number, limit: number): Promise<DeviceEventPage> {
    const bounds = this.#bounds.get(deviceId);
    const newest = bounds === undefined ? 0 : integer(bounds, "newest");
    const oldest = bounds && optionalInteger(bounds, "oldest");
    const events = this.#read.all(deviceId, after, limit).map(eventOf);
    return await Promise.resolve({ events, oldest: oldest ?? newest + 1, newest });
  }

  /** The devices of which events were appended since this was last asked. */
  takeAppended(): readonly DeviceId[] {
    if (this.#appendedTo.size === 0) return [];
    const deviceIds = [...this.#appendedTo];
    this.#appendedTo.clear();
    return deviceIds;
  }
}
