import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SecretStore } from "../../identity/secret_store.ts";
import { DATABASE_FILE } from "../daemon_state.ts";
import type { AuditHead } from "../store/audit_record.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";
import { aChain, anAct, timeOf } from "../testing/audit_chain.ts";
import { NOW } from "../testing/store_records.ts";
import {
  AUDIT_ANCHOR_FILE,
  type FoundAnchor,
  readAuditAnchor,
  readAuditKey,
  writeAuditAnchor,
} from "./audit_anchor.ts";
import { AuditAnchorKeeper } from "./audit_anchor_keeper.ts";
import { EMPTY_AUDIT } from "./audit_chain.ts";
import { NO_AUDIT_HASH } from "./audit_hash.ts";
import { verifyStoredAudit } from "./stored_audit.ts";

/** A state folder with an audit in it. */
class Place implements AsyncDisposable {
  private constructor(readonly folder: string, readonly secrets: SecretStore) {}

  static async make(): Promise<Place> {
    const folder = await Deno.makeTempDir();
    return new Place(folder, await SecretStore.open(join(folder, "secrets")));
  }

  get database(): string {
    return join(this.folder, DATABASE_FILE);
  }

  /** Runs as a daemon does that has the state: opens it, acts, and closes it, or is killed. */
  async run(acts: readonly number[], end: "stop" | "kill" = "stop", everyMs = 60_000): Promise<void> {
    const store = SqliteStore.open(this.database);
    const { folder, secrets } = this;
    const keeper = await AuditAnchorKeeper.open({ folder, secrets, store, clock: () => NOW, everyMs });
    await Promise.all(acts.map((act) => store.transaction((tx) => tx.audit.append(anAct(act), timeOf(act)))));
    await store.close();
    if (end === "stop") return await keeper.close();
    const anchor = await this.anchor();
    await keeper.close();
    // What a killed daemon leaves is the anchor that it wrote before.
    await this.put(anchor);
  }

  async anchor(): Promise<FoundAnchor> {
    return await readAuditAnchor(this.folder, await readAuditKey(this.secrets));
  }

  async put(anchor: FoundAnchor): Promise<void> {
    const key = await readAuditKey(this.secrets);
    assert.ok(key !== undefined && typeof anchor === "object");
    await writeAuditAnchor(this.folder, key, anchor);
  }

  sql(statements: string): void {
    using db = new DatabaseSync(this.database);
    db.exec(statements);
  }

  /** The kind and place of the flaw that a verification finds. */
  async flaw(): Promise<readonly unknown[] | undefined> {
    const { flaw } = await verifyStoredAudit(this.folder);
    return flaw && [flaw.kind, flaw.sequence];
  }

  /** What the newest `audit.damaged` says. */
  finding(): unknown {
    using db = new DatabaseSync(this.database);
    const row = db.prepare("SELECT details_json FROM audit WHERE kind = 'audit.damaged' ORDER BY sequence DESC").get();
    return row && JSON.parse(String(row["details_json"])).finding;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("AuditAnchorKeeper leaves an anchor right at the end of the audit when the daemon stops", async () => {
  await using place = await Place.make();
  await place.run([1, 2, 3]);
  const anchor = await place.anchor();
  assert.ok(typeof anchor === "object");
  assert.deepEqual([anchor.sequence, anchor.closed], [3, true]);
  await place.run([4]);
  assert.equal(await place.flaw(), undefined);
  assert.equal(place.finding(), undefined);
});

Deno.test("AuditAnchorKeeper writes an anchor before the first record, so that a missing one is always missed", async () => {
  await using place = await Place.make();
  await place.run([1, 2, 3], "kill");
  const anchor = await place.anchor();
  assert.ok(typeof anchor === "object");
  assert.deepEqual([anchor.sequence, anchor.closed], [0, false], "no second had passed");
  assert.equal(await place.flaw(), undefined, "an anchor that lags behind is no flaw");
  await place.run([4], "kill");
  assert.equal(place.finding(), undefined);
});

Deno.test("AuditAnchorKeeper writes the anchor a while after a commit, and again after later ones", async () => {
  await using place = await Place.make();
  const store = SqliteStore.open(place.database);
  const { folder, secrets } = place;
  const keeper = await AuditAnchorKeeper.open({ folder, secrets, store, clock: () => NOW, everyMs: 1 });
  try {
    for (const number of [1, 2, 3]) {
      const written = anchorChange(folder);
      // deno-lint-ignore no-await-in-loop -- one after the other
      await store.transaction((tx) => tx.audit.append(anAct(number), timeOf(number)));
      // deno-lint-ignore no-await-in-loop -- one after the other
      await written;
      // deno-lint-ignore no-await-in-loop -- one after the other
      const anchor = await place.anchor();
      assert.ok(typeof anchor === "object");
      assert.deepEqual([anchor.sequence, anchor.closed], [number, false]);
    }
  } finally {
    await store.close();
    await keeper.close();
  }
});

Deno.test("AuditAnchorKeeper.close() has the last word, also while an anchor is being written", async () => {
  await using place = await Place.make();
  const { folder, secrets } = place;
  const store = SqliteStore.open(place.database);
  let hear: (head: AuditHead) => void = () => {};
  const closing = Promise.withResolvers<void>();
  let writes = 0;
  const keeper = await AuditAnchorKeeper.open({
    folder,
    secrets,
    store: {
      transaction: (work) => store.transaction(work),
      onAuditRecords: (listener) => {
        hear = listener;
        return () => {};
      },
    },
    clock: () => {
      // Each write asks for the time when it begins: the first is that of the start, the second comes by the timer.
      if (++writes === 2) {
        hear({ sequence: 2, hash: NO_AUDIT_HASH });
        closing.resolve(keeper.close());
      }
      return NOW;
    },
    everyMs: 1,
  });
  hear({ sequence: 1, hash: NO_AUDIT_HASH });
  await closing.promise;
  const archived = { sequence: 0, hash: NO_AUDIT_HASH };
  assert.deepEqual(await place.anchor(), { sequence: 2, hash: NO_AUDIT_HASH, at: NOW, closed: true, archived });
  assert.equal(writes, 3);
  await store.close();
});

/** Resolves when the anchor has been replaced. */
async function anchorChange(folder: string): Promise<void> {
  const watcher = Deno.watchFs(folder);
  for await (const event of watcher) {
    // The file is put in its place by a renaming.
    if (event.kind === "modify" || event.kind === "rename" || event.kind === "create") {
      if (event.paths.some((path) => path.endsWith(`/${AUDIT_ANCHOR_FILE}`))) break;
    }
  }
}

for (
  const [what, tamper, finding, kind] of [
    [
      "the newest records were deleted",
      (place: Place) => place.sql("DELETE FROM audit WHERE sequence > 4"),
      /deleted/,
      "truncated",
    ],
    [
      "the newest records were deleted, and the table's count with them",
      (place: Place) => place.sql("DELETE FROM audit WHERE sequence > 4; UPDATE sqlite_sequence SET seq = 4"),
      /deleted/,
      "truncated",
    ],
    [
      "all records were deleted",
      (place: Place) => place.sql("DELETE FROM audit; DELETE FROM sqlite_sequence"),
      /deleted/,
      "truncated",
    ],
    [
      "the anchored record was replaced",
      (place: Place) => place.sql("UPDATE audit SET hash = zeroblob(32) WHERE sequence = 6"),
      /replaced/,
      "changed",
    ],
    [
      "the anchor was deleted",
      (place: Place) => Deno.remove(join(place.folder, AUDIT_ANCHOR_FILE)),
      /anchor was deleted/,
      "anchor_missing",
    ],
    [
      "the anchor was forged",
      (place: Place) => Deno.writeTextFile(join(place.folder, AUDIT_ANCHOR_FILE), "{}"),
      /not written by/,
      "anchor_forged",
    ],
    ["the key was deleted", (place: Place) => place.secrets.delete("audit-key"), /not written by/, "anchor_forged"],
    [
      "a record was added",
      (place: Place) =>
        place.sql(`INSERT INTO audit SELECT 7, at, kind, actor, subject, details_json, hash, hash FROM audit
        WHERE sequence = 6`),
      /added while no daemon ran/,
      "changed",
    ],
  ] as const
) {
  Deno.test(`AuditAnchorKeeper.open() writes into the audit that, while no daemon ran, ${what}`, async () => {
    await using place = await Place.make();
    await place.run([1, 2, 3, 4, 5, 6]);
    await tamper(place);
    assert.equal((await place.flaw())?.[0], kind, "verify finds it before the start");
    await place.run([]);
    assert.match(String(place.finding()), finding);
    assert.ok(["damage_recorded", kind].includes(String((await place.flaw())?.[0])), "and after it, for ever");
    await place.run([]);
    using db = new DatabaseSync(place.database);
    const found = db.prepare("SELECT count(*) AS found FROM audit WHERE kind = 'audit.damaged'").get();
    assert.equal(found?.["found"], 1, "it is found once");
  });
}

Deno.test("AuditAnchorKeeper.noteArchived() writes at once, and says so when it cannot", async () => {
  await using place = await Place.make();
  const store = SqliteStore.open(place.database);
  const { folder, secrets } = place;
  const keeper = await AuditAnchorKeeper.open({ folder, secrets, store, clock: () => NOW });
  try {
    await store.transaction((tx) => tx.audit.append(anAct(1), timeOf(1)));
    const [through] = aChain(1);
    assert.ok(through);
    await keeper.noteArchived({ sequence: 1, hash: through.hash });
    const anchor = await place.anchor();
    assert.ok(typeof anchor === "object");
    assert.deepEqual([anchor.sequence, anchor.archived], [1, { sequence: 1, hash: through.hash }]);
    await keeper.noteArchived(EMPTY_AUDIT);
    assert.deepEqual(await place.anchor(), anchor, "what may be missing stays so");
    await Deno.remove(join(folder, AUDIT_ANCHOR_FILE));
    await Deno.mkdir(join(folder, AUDIT_ANCHOR_FILE));
    await assert.rejects(keeper.noteArchived(through));
    await Deno.remove(join(folder, AUDIT_ANCHOR_FILE));
  } finally {
    await store.close();
    await keeper.close();
  }
  assert.equal(await place.flaw(), undefined);
});

const third = aChain(6)[2] ?? assert.fail();

/** What a daemon does that archives the first three records of six and is killed in that. */
async function killedWhileArchiving(place: Place, when: "before it deletes" | "after it has deleted"): Promise<void> {
  await place.run([1, 2, 3, 4, 5, 6]);
  const store = SqliteStore.open(place.database);
  const { folder, secrets } = place;
  const keeper = await AuditAnchorKeeper.open({ folder, secrets, store, clock: () => NOW, everyMs: 60_000 });
  await keeper.noteArchived({ sequence: third.sequence, hash: third.hash });
  const anchor = await place.anchor();
  if (when === "after it has deleted") await deleteAsArchived(store);
  await store.close();
  await keeper.close();
  await place.put(anchor);
}

/** Deletes the records up to the third, and says that they were archived. */
async function deleteAsArchived(store: SqliteStore): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.audit.removeThrough(third.sequence);
    const details = { first_sequence: 1, last_sequence: third.sequence, last_hash: third.hash };
    await tx.audit.append({ kind: "audit.archived", actor: "owner", subject: "", details }, NOW);
  });
}

for (const when of ["before it deletes", "after it has deleted"] as const) {
  Deno.test(`AuditAnchorKeeper takes a daemon that is killed while it archives for what it is, ${when}`, async () => {
    await using place = await Place.make();
    await killedWhileArchiving(place, when);
    assert.equal(await place.flaw(), undefined);
    await place.run([7]);
    assert.deepEqual([await place.flaw(), place.finding()], [undefined, undefined]);
  });
}

Deno.test("AuditAnchorKeeper finds records that somebody deleted as if they were archived, behind a killed daemon", async () => {
  await using place = await Place.make();
  await place.run([1, 2, 3, 4, 5, 6], "stop");
  await place.run([7], "kill");
  const store = SqliteStore.open(place.database);
  await deleteAsArchived(store);
  await store.close();
  assert.deepEqual(await place.flaw(), ["removed", 1]);
  await place.run([]);
  assert.match(String(place.finding()), /oldest records were deleted/);
  assert.equal((await place.flaw())?.[0], "damage_recorded");
});

Deno.test("AuditAnchorKeeper no longer lets records be missing that it was about to delete before it was killed", async () => {
  await using place = await Place.make();
  await killedWhileArchiving(place, "before it deletes");
  await place.run([7], "kill");
  const store = SqliteStore.open(place.database);
  await deleteAsArchived(store);
  await store.close();
  assert.deepEqual(await place.flaw(), ["removed", 1]);
});
