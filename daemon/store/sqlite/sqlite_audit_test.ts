import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { AuditWalk } from "../../audit/audit_walk.ts";
import { aChain, anAct, rechained, timeOf } from "../../testing/audit_chain.ts";
import { isError } from "../../testing/pairing_bench.ts";
import type { AuditRecord } from "../audit_record.ts";
import { SqliteAuditReader } from "./sqlite_audit_reader.ts";
import { SqliteStore } from "./sqlite_store.ts";

/** A store, and the database behind its back. */
async function tampering(
  body: (store: SqliteStore, other: DatabaseSync, path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "palyrad.sqlite");
  const store = SqliteStore.open(path);
  const other = new DatabaseSync(path);
  try {
    await body(store, other, path);
  } finally {
    other.close();
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
}

function append(store: SqliteStore, number: number): Promise<void> {
  return store.transaction((tx) => tx.audit.append(anAct(number), timeOf(number)));
}

function put(db: DatabaseSync, record: AuditRecord): void {
  db.prepare("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?)").run(
    record.sequence,
    record.at,
    record.kind,
    record.actor,
    record.subject,
    record.detailsJson,
    Uint8Array.fromHex(record.previousHash),
    Uint8Array.fromHex(record.hash),
  );
}

async function flawIn(path: string) {
  using audit = SqliteAuditReader.open(path);
  const walk = new AuditWalk();
  await walk.along(audit.records());
  return (walk.flaw ?? walk.damaged) &&
    { kind: (walk.flaw ?? walk.damaged)?.kind, at: (walk.flaw ?? walk.damaged)?.sequence };
}

Deno.test("SqliteAudit goes on behind what was committed when a commit cannot begin", () =>
  tampering(async (store, other, path) => {
    await append(store, 1);
    other.exec("BEGIN IMMEDIATE");
    const results = await Promise.allSettled([append(store, 98), append(store, 99)]);
    assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
    other.exec("ROLLBACK");
    await Promise.all([append(store, 2), append(store, 3)]);
    using audit = SqliteAuditReader.open(path);
    assert.deepEqual([...audit.records()], aChain(3));
  }));

Deno.test("SqliteAudit goes on behind what was committed when the works have run and the commit fails", () =>
  tampering(async (store, other, path) => {
    await append(store, 1);
    // A constraint that is looked at no earlier than when all is to be committed.
    other.exec(`
      CREATE TABLE trap (device_id TEXT REFERENCES devices DEFERRABLE INITIALLY DEFERRED) STRICT;
      CREATE TRIGGER spring AFTER INSERT ON audit WHEN new.subject = 'device-99' BEGIN
        INSERT INTO trap VALUES ('nobody');
      END`);
    const results = await Promise.allSettled([append(store, 98), append(store, 99)]);
    assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
    await Promise.all([append(store, 2), append(store, 3)]);
    using audit = SqliteAuditReader.open(path);
    assert.deepEqual([...audit.records()], aChain(3));
  }));

Deno.test("SqliteAudit leaves a gap where somebody deletes the newest record while the daemon runs", () =>
  tampering(async (store, other, path) => {
    await Promise.all([1, 2, 3].map((number) => append(store, number)));
    other.exec("DELETE FROM audit WHERE sequence = 3");
    await append(store, 4);
    assert.deepEqual(await flawIn(path), { kind: "removed", at: 3 });
  }));

Deno.test("SqliteAudit breaks the chain where somebody replaces the newest record while the daemon runs", () =>
  tampering(async (store, other, path) => {
    await Promise.all([1, 2, 3].map((number) => append(store, number)));
    other.exec("DELETE FROM audit WHERE sequence = 3");
    const forged = rechained(aChain(3).map((record) => ({ ...record, actor: "nobody" }))).at(-1);
    assert.ok(forged);
    put(other, rechained([...aChain(2), forged]).at(-1) ?? forged);
    await append(store, 4);
    assert.deepEqual(await flawIn(path), { kind: "replaced", at: 3 });
  }));

Deno.test("SqliteAudit records that somebody else wrote records while the daemon ran, and loses no act by it", () =>
  tampering(async (store, other, path) => {
    await append(store, 1);
    for (const record of aChain(3).slice(1)) put(other, record);
    await append(store, 4);
    using audit = SqliteAuditReader.open(path);
    const records = [...audit.records()];
    assert.deepEqual(records.map(({ kind }) => kind).slice(3), ["audit.damaged", "device.revoked"]);
    const found = JSON.parse(records[3]?.detailsJson ?? "");
    assert.deepEqual([found.expected_sequence, found.found_sequence], [1, 3]);
    assert.deepEqual(await flawIn(path), { kind: "damage_recorded", at: 4 });
  }));

Deno.test("SqliteAuditReader shows the audit as it was when it was opened, and hinders nobody", () =>
  tampering(async (store, _, path) => {
    await append(store, 1);
    using audit = SqliteAuditReader.open(path);
    await append(store, 2);
    assert.deepEqual([...audit.records()], aChain(1));
    using later = SqliteAuditReader.open(path);
    assert.deepEqual([...later.records(1)], aChain(2).slice(1));
    assert.deepEqual(later.newest(1), aChain(2).slice(1));
    assert.deepEqual(later.newest(5, "device.removed"), []);
    assert.equal(later.highestSequence(), 2);
  }));

Deno.test("SqliteAuditReader names a column that holds what no record has", () =>
  tampering(async (store, other, path) => {
    await Promise.all([1, 2, 3].map((number) => append(store, number)));
    for (const change of ["at = 9223372036854775807", "at = -1", "hash = x'00'", "details_json = 'no'"]) {
      other.exec(`UPDATE audit SET ${change} WHERE sequence = 2`);
      // deno-lint-ignore no-await-in-loop -- one change after the other
      assert.equal((await flawIn(path))?.at, 2, change);
    }
  }));

Deno.test("SqliteAuditReader.open() names a folder without an audit, and a file that is none", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = join(folder, "palyrad.sqlite");
    assert.throws(() => SqliteAuditReader.open(path), isError("state_not_initialised", /palyrad run/));
    const db = new DatabaseSync(path);
    db.exec("PRAGMA user_version = 1; CREATE TABLE facts (name TEXT)");
    db.close();
    assert.throws(() => SqliteAuditReader.open(path), isError("state_not_initialised"));
    const newer = new DatabaseSync(path);
    newer.exec("PRAGMA user_version = 1000");
    newer.close();
    assert.throws(() => SqliteAuditReader.open(path), isError("schema_too_new"));
    await Deno.writeFile(path, crypto.getRandomValues(new Uint8Array(8192)));
    assert.throws(() => SqliteAuditReader.open(path), isError("state_damaged"));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
