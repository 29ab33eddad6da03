import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { newUlid } from "../../../identity/device_id.ts";
import { PalyraError } from "../../../identity/palyra_error.ts";
import { aCode, aDevice, NOW } from "../../testing/store_records.ts";
import { deviceEventContract, EVENTS_KEPT_UNDER_TEST } from "../device_event_contract.ts";
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
