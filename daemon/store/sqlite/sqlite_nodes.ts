import type { DatabaseSync, StatementSync } from "node:sqlite";
import * as v from "valibot";
import { type DeviceId, parseDeviceId } from "../../../identity/device_id.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import type { NodeTable, RegisteredNodeRecord } from "../registered_node_record.ts";
import { integer, type SqliteRow, text, time } from "./sqlite_row.ts";

const DeclaredCapabilities = v.array(v.object({
  name: v.string(),
  available: v.boolean(),
  version: v.string(),
  inputSchemaJson: v.string(),
  outputSchemaJson: v.string(),
  idempotent: v.boolean(),
  requiresLocalMediation: v.boolean(),
  unavailableReason: v.string(),
  maxConcurrency: v.exactOptional(v.number()),
}));

function nodeOf(row: SqliteRow): RegisteredNodeRecord {
  return {
    deviceId: parseDeviceId(text(row, "device_id")),
    platform: text(row, "platform"),
    deviceName: text(row, "device_name"),
    softwareVersion: text(row, "software_version"),
    capabilities: v.parse(DeclaredCapabilities, JSON.parse(text(row, "capabilities"))),
    registeredAt: time(row, "registered_at"),
    lastSeenAt: time(row, "last_seen_at"),
    epoch: integer(row, "epoch"),
  };
}

/** {@linkcode NodeTable} on SQLite. */
export class SqliteNodes implements NodeTable {
  readonly #get: StatementSync;
  readonly #list: StatementSync;
  readonly #put: StatementSync;
  readonly #touch: StatementSync;

  constructor(db: DatabaseSync) {
    this.#get = db.prepare("SELECT * FROM nodes WHERE device_id = ?");
    this.#list = db.prepare("SELECT * FROM nodes ORDER BY device_id");
    this.#put = db.prepare(`
      INSERT INTO nodes (device_id, platform, device_name, software_version, capabilities, registered_at,
        last_seen_at, epoch)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (device_id) DO UPDATE SET platform = excluded.platform, device_name = excluded.device_name,
        software_version = excluded.software_version, capabilities = excluded.capabilities,
        registered_at = excluded.registered_at, last_seen_at = excluded.last_seen_at, epoch = excluded.epoch`);
    this.#touch = db.prepare("UPDATE nodes SET last_seen_at = ? WHERE device_id = ?");
  }

  async get(deviceId: DeviceId): Promise<RegisteredNodeRecord | undefined> {
    const row = this.#get.get(deviceId);
    return await Promise.resolve(row && nodeOf(row));
  }

  async list(): Promise<RegisteredNodeRecord[]> {
    return await Promise.resolve(this.#list.all().map(nodeOf));
  }

  async put(node: RegisteredNodeRecord): Promise<void> {
    this.#put.run(
      node.deviceId,
      node.platform,
      node.deviceName,
      node.softwareVersion,
      JSON.stringify(node.capabilities),
      node.registeredAt,
      node.lastSeenAt,
      node.epoch,
    );
    await Promise.resolve();
  }

  async touch(deviceId: DeviceId, lastSeenAt: UnixMs): Promise<void> {
    this.#touch.run(lastSeenAt, deviceId);
    await Promise.resolve();
  }
}
