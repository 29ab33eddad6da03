import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { sqliteFailureOf } from "./sqlite_failure.ts";

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  assert.fail("it succeeded");
}

Deno.test("sqliteFailureOf() tells SQLite's failures apart as SQLite words them", async () => {
  const folder = await Deno.makeTempDir({ prefix: "palyra-sqlite-" });
  const path = join(folder, "a.sqlite");
  const failureOf = (db: DatabaseSync, sql: string) => sqliteFailureOf(thrownBy(() => db.exec(sql)));
  const db = new DatabaseSync(path);
  const other = new DatabaseSync(path, { readOnly: true });
  const third = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("CREATE TABLE a (b BLOB)");
    assert.equal(failureOf(other, "INSERT INTO a VALUES (1)"), "read_only");
    db.exec("BEGIN IMMEDIATE");
    assert.equal(failureOf(third, "BEGIN IMMEDIATE"), "locked");
    db.exec("COMMIT; PRAGMA max_page_count = 2");
    assert.equal(failureOf(db, "INSERT INTO a VALUES (zeroblob(100000))"), "full");
    assert.equal(failureOf(db, "no SQL"), "other");
    await Deno.writeTextFile(join(folder, "b.sqlite"), "no database ".repeat(100));
    const text = new DatabaseSync(join(folder, "b.sqlite"));
    assert.equal(failureOf(text, "PRAGMA user_version"), "damaged");
    text.close();
    const missing = thrownBy(() => new DatabaseSync(join(folder, "c", "d.sqlite")));
    assert.equal(sqliteFailureOf(missing), "read_only");
    assert.equal(sqliteFailureOf(new Error("database or disk is full")), undefined);
  } finally {
    for (const each of [third, other, db]) each.close();
    await Deno.remove(folder, { recursive: true });
  }
});
