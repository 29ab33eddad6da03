import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { newUlid } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { aCode, aDevice, NOW } from "../../testing/store_records.ts";
import { auditContract } from "../audit_contract.ts";
import { deviceEventContract, EVENTS_KEPT_UNDER_TEST } from "../device_event_contract.ts";
import { historyContract } from "../history_contract.ts";
import { requestContract } from "../request_contract.ts";
import { revocationContract } from "../revocation_contract.ts";
import { storeContract, type StoreUnderTest } from "../store_contract.ts";
import { MIGRATIONS } from "./migrations.ts";
import { SqliteStore } from "./sqlite_store.ts";

async function underTest(): Promise<StoreUnderTest> {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "palyrad.sqlite");
  return {
    open: () => Promise.resolve(SqliteStore.open(path, { eventsKept: EVENTS_KEPT_UNDER_TEST })),
    remove: () => Deno.remove(folder, { recursive: true }),
  };
}

storeContract("SqliteStore", underTest);
deviceEventContract("SqliteStore", underTest);
requestContract("SqliteStore", underTest);
historyContract("SqliteStore", underTest);
auditContract("SqliteStore", underTest);
revocationContract("SqliteStore", underTest);

async function inFolder(body: (path: string, folder: string) => Promise<void> | void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(join(folder, "palyrad.sqlite"), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function hasCode(code: string, mention: string): (thrown: unknown) => boolean {
  return (thrown) => thrown instanceof PalyraError && thrown.code === code && thrown.message.includes(mention);
}

Deno.test("SqliteStore.open() makes every file of the database 0600", () =>
  inFolder(async (path, folder) => {
    const store = SqliteStore.open(path);
    await store.transaction((tx) => tx.pairing.endCode(newUlid(), "spent"));
    const modes = new Map<string, number>();
    for await (const entry of Deno.readDir(folder)) {
      modes.set(entry.name, ((await Deno.stat(join(folder, entry.name))).mode ?? 0) & 0o777);
    }
    await store.close();
    assert.ok(modes.size >= 2, "the write-ahead log is there too");
    assert.deepEqual([...new Set(modes.values())], [0o600]);
  }));

Deno.test("SqliteStore.open() refuses a schema from the future and leaves the file alone", () =>
  inFolder((path) => {
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    const before = Deno.readFileSync(path);
    assert.throws(() => SqliteStore.open(path), hasCode("schema_too_new", "--state-root"));
    assert.deepEqual(Deno.readFileSync(path), before);
  }));

Deno.test("SqliteStore.open() brings the first schema up to date, and keeps a backup of the file as it was", () =>
  inFolder(async (path, folder) => {
    const db = new DatabaseSync(path);
    db.exec(MIGRATIONS[0] ?? "");
    db.exec("INSERT INTO facts VALUES ('ca_fingerprint', 'known'); PRAGMA user_version = 1");
    db.close();
    const store = SqliteStore.open(path);
    try {
      const device = aDevice();
      const event = await store.transaction(async (tx) => {
        assert.equal(await tx.facts.get("ca_fingerprint"), "known");
        await tx.devices.put(device);
        return await tx.events.append(device.deviceId, { name: "notice.new", payload: {} }, NOW);
      });
      assert.equal(event.sequence, 1);
    } finally {
      await store.close();
    }
    using backup = new DatabaseSync(join(folder, "palyrad.schema-1.sqlite"), { readOnly: true });
    assert.deepEqual({ ...backup.prepare("PRAGMA user_version").get() }, { user_version: 1 });
    assert.deepEqual({ ...backup.prepare("SELECT value FROM facts").get() }, { value: "known" });
  }));

Deno.test("SqliteStore.open() names a damaged file and leaves it alone", () =>
  inFolder((path) => {
    const garbage = crypto.getRandomValues(new Uint8Array(8192));
    Deno.writeFileSync(path, garbage);
    assert.throws(() => SqliteStore.open(path), hasCode("state_damaged", path));
    assert.deepEqual(Deno.readFileSync(path), garbage);
  }));

Deno.test("SqliteStore.open() names a folder that is not there", () =>
  inFolder((_, folder) => {
    assert.throws(() => SqliteStore.open(join(folder, "missing", "palyrad.sqlite")));
  }));

Deno.test("SqliteStore.transaction() rejects while the file is locked, keeps nothing, and works again afterwards", () =>
  inFolder(async (path) => {
    const store = SqliteStore.open(path);
    const other = new DatabaseSync(path);
    const code = aCode();
    try {
      other.exec("BEGIN IMMEDIATE");
      await assert.rejects(store.transaction((tx) => tx.pairing.insertCode(code)), hasCode("state_in_use", path));
      other.exec("ROLLBACK");
      assert.equal(await store.transaction((tx) => tx.pairing.getCode(code.codeId)), undefined);
      await store.transaction((tx) => tx.pairing.insertCode(code));
    } finally {
      other.close();
      await store.close();
    }
  }));

Deno.test("SqliteStore.open() gives requests of an older schema what they did not have", () =>
  inFolder(async (path) => {
    const db = new DatabaseSync(path);
    for (const sql of MIGRATIONS.slice(0, 2)) db.exec(sql);
    db.exec("PRAGMA user_version = 2");
    const requestId = newUlid();
    db.prepare(`
      INSERT INTO requests (request_id, device_id, capability, state, attempt, epoch, idempotent, input_json,
        max_payload_bytes, deadline, requested_by, created_at, updated_at)
      VALUES (?, ?, 'echo', 'queued', 0, 0, 1, x'31', 64, 1234, 'operator', 1, 1)`).run(requestId, newUlid());
    db.close();
    const store = SqliteStore.open(path);
    try {
      const request = await store.transaction((tx) => tx.requests.get(requestId));
      assert.deepEqual([request?.priority, request?.onDisconnect, request?.ttlEndsAt], ["normal", undefined, 1234]);
    } finally {
      await store.close();
    }
  }));

Deno.test("SqliteStore lists and deletes requests by an index, however many there are", () =>
  inFolder(async (path) => {
    const store = SqliteStore.open(path);
    await store.close();
    const db = new DatabaseSync(path, { readOnly: true });
    const plan = (sql: string) => db.prepare(`EXPLAIN QUERY PLAN ${sql}`).all().map(({ detail }) => String(detail));
    const plans = [
      plan("SELECT * FROM requests WHERE state = 'failed' AND error_code IS NOT NULL ORDER BY request_id DESC LIMIT 5"),
      plan("SELECT * FROM requests WHERE device_id = 'x' AND true ORDER BY request_id DESC LIMIT 5"),
      plan("SELECT * FROM requests WHERE completed_at IS NULL ORDER BY request_id"),
      plan("SELECT * FROM requests WHERE device_id = 'x' AND idempotency_key = 'y'"),
      plan("SELECT request_id FROM requests WHERE request_id < 'x' AND completed_at < 1 ORDER BY request_id LIMIT 5"),
    ];
    db.close();
    for (const steps of plans) {
      assert.match(steps.join("; "), /USING (COVERING )?INDEX|USING PRIMARY KEY/);
      assert.doesNotMatch(steps.join("; "), /TEMP B-TREE/);
    }
  }));
