import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type DeviceId, parseDeviceId } from "../../../identity/device_id.ts";
import { parseFingerprint } from "../../../identity/fingerprint.ts";
import type { UnixMs } from "../../../identity/unix_ms.ts";
import { RECOVERIES_KEPT, type RecoveryRecord, type RecoveryTable } from "../recovery_record.ts";
import { type SqliteRow, text, time } from "./sqlite_row.ts";

function recoveryOf(row: SqliteRow): RecoveryRecord {
  return {
    deviceId: parseDeviceId(text(row, "device_id")),
    at: time(row, "at"),
    remoteAddress: text(row, "remote_address"),
    fingerprint: parseFingerprint(text(row, "fingerprint")),
  };
}

/** {@linkcode RecoveryTable} on SQLite. */
export class SqliteRecoveries implements RecoveryTable {
  readonly #insert: StatementSync;
  readonly #prune: StatementSync;
  readonly #list: StatementSync;

  constructor(db: DatabaseSync) {
    const newest = "(SELECT fingerprint FROM recoveries WHERE device_id = ?1 ORDER BY at DESC, fingerprint LIMIT ?3)";
    this.#insert = db.prepare(
      "INSERT INTO recoveries (device_id, at, remote_address, fingerprint) VALUES (?, ?, ?, ?)",
    );
    this.#prune = db.prepare(
      `DELETE FROM recoveries WHERE device_id = ?1 AND at < ?2 AND fingerprint NOT IN ${newest}`,
    );
    this.#list = db.prepare(
      `SELECT * FROM recoveries WHERE device_id = ?1 AND (at >= ?2 OR fingerprint IN ${newest}) ORDER BY at, fingerprint`,
    );
  }

  async enter({ deviceId, at, remoteAddress, fingerprint }: RecoveryRecord, keptSince: UnixMs): Promise<void> {
    this.#insert.run(deviceId, at, remoteAddress, fingerprint);
    this.#prune.run(deviceId, keptSince, RECOVERIES_KEPT);
    await Promise.resolve();
  }

  async list(deviceId: DeviceId, since: UnixMs): Promise<RecoveryRecord[]> {
    return await Promise.resolve(this.#list.all(deviceId, since, RECOVERIES_KEPT).map(recoveryOf));
  }
}
