import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { newRequestId } from "../testing/test_node.ts";
import { TestFolder } from "../testing/test_folder.ts";
import { AttemptJournal } from "./attempt_journal.ts";
import { DAMAGED_JOURNAL_FILE, JOURNAL_FILE, JOURNAL_VERSION, openJournalFile, removeJournal } from "./journal_file.ts";
import { JOURNAL_MARK_FILE } from "./journal_mark.ts";

async function idOf(folder: TestFolder): Promise<string> {
  const { db, id } = await openJournalFile(folder.path);
  db.close();
  return id;
}

const pathIn = (folder: TestFolder, name = JOURNAL_FILE) => join(folder.path, name);

Deno.test("openJournalFile() makes files that only the owner can read, with an id that stays", async () => {
  await using folder = await TestFolder.create();
  const { db, id } = await openJournalFile(folder.path);
  try {
    db.exec("DELETE FROM attempts");
    const names = await folder.names();
    assert.deepEqual(names, [JOURNAL_MARK_FILE, JOURNAL_FILE, `${JOURNAL_FILE}-shm`, `${JOURNAL_FILE}-wal`]);
    if (Deno.build.os !== "windows") {
      const modes = await Promise.all(names.map(async (name) => (await Deno.stat(pathIn(folder, name))).mode ?? 0));
      assert.deepEqual(modes.map((mode) => mode & 0o777), [0o600, 0o600, 0o600, 0o600]);
    }
  } finally {
    db.close();
  }
  assert.equal(await idOf(folder), id);
});

Deno.test("openJournalFile() gives a copied journal an id of its own and keeps what it holds", async () => {
  await using original = await TestFolder.create();
  await using copy = await TestFolder.create();
  const name = { requestId: newRequestId(), attempt: 1 };
  const journal = await AttemptJournal.open(original.path);
  await journal.start(name);
  await journal.close();
  await Deno.copyFile(pathIn(original), pathIn(copy));
  await using copied = await AttemptJournal.open(copy.path);
  assert.notEqual(copied.id, journal.id);
  assert.deepEqual(copied.load().interrupted, [name]);
  assert.equal(await idOf(original), journal.id);
  await copied.close();
  assert.equal(await idOf(copy), copied.id, "from then on it stays");
});

/** The journal with one attempt in it, as a backup has it that was made while the process ran or when it had stopped. */
async function backupOf(folder: TestFolder, when: "running" | "stopped"): Promise<{ id: string; bytes: Uint8Array }> {
  const journal = await AttemptJournal.open(folder.path);
  await journal.start({ requestId: newRequestId(), attempt: 1 });
  if (when === "running") {
    const copy = pathIn(folder, "copy.sqlite");
    const db = new DatabaseSync(pathIn(folder), { readOnly: true });
    db.prepare("VACUUM INTO ?").run(copy);
    db.close();
    await journal.start({ requestId: newRequestId(), attempt: 1 });
    await journal.close();
    return { id: journal.id, bytes: await Deno.readFile(copy) };
  }
  await journal.close();
  const bytes = await Deno.readFile(pathIn(folder));
  await using later = await AttemptJournal.open(folder.path);
  assert.equal(later.id, journal.id);
  await later.start({ requestId: newRequestId(), attempt: 1 });
  return { id: journal.id, bytes };
}

for (const when of ["running", "stopped"] as const) {
  Deno.test(`openJournalFile() gives an older journal another id when it is put back, made while the process was ${when}`, async () => {
    await using folder = await TestFolder.create();
    const { id, bytes } = await backupOf(folder, when);
    const { ino } = await Deno.stat(pathIn(folder));
    await Deno.writeFile(pathIn(folder), bytes);
    assert.equal((await Deno.stat(pathIn(folder))).ino, ino, "it is the same file");
    const restored = await idOf(folder);
    assert.notEqual(restored, id);
    assert.equal(await idOf(folder), restored, "from then on it stays");
  });
}

Deno.test("openJournalFile() keeps the id of a journal that is ahead of its mark, and gives one without a mark another", async () => {
  await using folder = await TestFolder.create();
  const journal = await AttemptJournal.open(folder.path);
  const mark = await Deno.readFile(pathIn(folder, JOURNAL_MARK_FILE));
  await journal.start({ requestId: newRequestId(), attempt: 1 });
  await journal.close();
  assert.notDeepEqual(await Deno.readFile(pathIn(folder, JOURNAL_MARK_FILE)), mark);
  await Deno.writeFile(pathIn(folder, JOURNAL_MARK_FILE), mark);
  assert.equal(await idOf(folder), journal.id, "the machine died before the mark was on the disk");
  await Deno.remove(pathIn(folder, JOURNAL_MARK_FILE));
  assert.notEqual(await idOf(folder), journal.id);
});

Deno.test("openJournalFile() takes up a journal of the first version under its id, and with what it holds", async () => {
  await using folder = await TestFolder.create();
  const name = { requestId: newRequestId(), attempt: 1 };
  const journal = await AttemptJournal.open(folder.path);
  await journal.start(name);
  await journal.close();
  const db = new DatabaseSync(pathIn(folder));
  db.exec("ALTER TABLE journal DROP COLUMN generation; PRAGMA user_version = 1");
  db.close();
  await Deno.remove(pathIn(folder, JOURNAL_MARK_FILE));
  await using upgraded = await AttemptJournal.open(folder.path);
  assert.equal(upgraded.id, journal.id);
  assert.deepEqual(upgraded.load().interrupted, [name]);
});

Deno.test("openJournalFile() sets a damaged journal aside, whatever is wrong with it, and begins another one", async () => {
  const damages: [string, (path: string) => Promise<void>][] = [
    ["no database", (path) => Deno.writeTextFile(path, "something else ".repeat(1_000))],
    ["a page of nothing", async (path) => {
      using file = await Deno.open(path, { write: true });
      await file.seek(4_096, Deno.SeekMode.Start);
      await file.write(new Uint8Array(4_096).fill(0xff));
    }],
    ["a row of nothing", (path) => {
      const db = new DatabaseSync(path);
      db.exec("INSERT INTO attempts (request_id, attempt) VALUES ('none', 1)");
      db.close();
      return Promise.resolve();
    }],
  ];
  await Promise.all(damages.map(async ([what, damage]) => {
    await using folder = await TestFolder.create();
    const journal = await AttemptJournal.open(folder.path);
    await journal.start({ requestId: newRequestId(), attempt: 1 });
    await journal.close();
    await damage(pathIn(folder));
    const damaged = await Deno.readFile(pathIn(folder));
    await using fresh = await AttemptJournal.open(folder.path);
    assert.notEqual(fresh.id, journal.id, what);
    assert.deepEqual(fresh.load(), { interrupted: [], finished: [] }, what);
    assert.deepEqual(await Deno.readFile(pathIn(folder, DAMAGED_JOURNAL_FILE)), damaged, what);
  }));
});

Deno.test("openJournalFile() refuses a journal of a newer version and leaves it as it is", async () => {
  await using folder = await TestFolder.create();
  await idOf(folder);
  const db = new DatabaseSync(pathIn(folder));
  db.exec(`PRAGMA journal_mode = DELETE; PRAGMA user_version = ${JOURNAL_VERSION + 1}`);
  db.close();
  const before = await Deno.readFile(pathIn(folder));
  await assert.rejects(idOf(folder), {
    code: "schema_too_new",
    message: /newer palyra-node \(version 3 .* run that one/,
  });
  assert.deepEqual(await Deno.readFile(pathIn(folder)), before);
});

Deno.test("openJournalFile() refuses a journal that somebody else is writing", async () => {
  await using folder = await TestFolder.create();
  const { db } = await openJournalFile(folder.path);
  db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; DELETE FROM attempts");
  try {
    await assert.rejects(idOf(folder), { code: "state_in_use" });
  } finally {
    db.close();
  }
});

Deno.test("openJournalFile() waits for somebody who reads the journal of a stopped process", async () => {
  await using folder = await TestFolder.create();
  const journal = await AttemptJournal.open(folder.path);
  await journal.close();
  const probe = fileURLToPath(import.meta.resolve("./testdata/passing_reader.ts"));
  const args = ["run", "-q", "-A", probe, pathIn(folder)];
  await using reader = new Deno.Command(Deno.execPath(), { args, stdin: "piped", stdout: "piped" }).spawn();
  const said = reader.stdout.getReader();
  await said.read();
  const orders = reader.stdin.getWriter();
  // It goes on by itself from here: opening keeps this thread busy.
  await orders.write(Uint8Array.of(1));
  assert.equal(await idOf(folder), journal.id);
  await orders.close();
  await said.cancel();
});

Deno.test("removeJournal() leaves nothing of it", async () => {
  await using folder = await TestFolder.create();
  const { db } = await openJournalFile(folder.path);
  await Deno.writeTextFile(pathIn(folder, DAMAGED_JOURNAL_FILE), "");
  removeJournal(folder.path);
  db.close();
  removeJournal(folder.path);
  assert.deepEqual(await folder.names(), []);
});
