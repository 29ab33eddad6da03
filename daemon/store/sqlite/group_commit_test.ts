import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { GroupCommit } from "./group_commit.ts";

/** A database of one column, and how often it was committed. */
class Bench implements AsyncDisposable {
  readonly #folder: string;
  readonly db: DatabaseSync;
  readonly group: GroupCommit;
  sync: () => Promise<void> = () => Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    this.db = new DatabaseSync(join(folder, "test.sqlite"));
    this.db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER UNIQUE)");
    this.group = new GroupCommit(this.db, {
      onCommitFailure: (cause) => new Error("commit failed", { cause }),
      sync: () => this.sync(),
    });
  }

  static async open(): Promise<Bench> {
    return new Bench(await Deno.makeTempDir());
  }

  insert(value: number): Promise<void> {
    this.db.prepare("INSERT INTO t VALUES (?)").run(value);
    return Promise.resolve();
  }

  /** What another connection sees: what is committed, and nothing else. */
  committed(): unknown[] {
    const other = new DatabaseSync(join(this.#folder, "test.sqlite"));
    try {
      return other.prepare("SELECT a FROM t ORDER BY a").all().map((row) => row["a"]);
    } finally {
      other.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.group.close();
    this.db.close();
    await Deno.remove(this.#folder, { recursive: true });
  }
}

Deno.test("GroupCommit.run() commits a turn's works together, in order, before any of them resolves", async () => {
  await using bench = await Bench.open();
  const seen: unknown[][] = [];
  const ran: number[] = [];
  await Promise.all([1, 2, 3].map(async (value) => {
    await bench.group.run(() => {
      ran.push(value);
      assert.deepEqual(bench.committed(), [], "nothing of the group is visible while it runs");
      return bench.insert(value);
    });
    seen.push(bench.committed());
  }));
  assert.deepEqual(ran, [1, 2, 3]);
  assert.deepEqual(seen, [[1, 2, 3], [1, 2, 3], [1, 2, 3]]);
});

Deno.test("GroupCommit.run() undoes a failed work alone, also one that SQLite refuses", async () => {
  await using bench = await Bench.open();
  const results = await Promise.allSettled([
    bench.group.run(() => bench.insert(1)),
    bench.group.run(async () => {
      await bench.insert(2);
      await bench.insert(1);
    }),
    bench.group.run(() => bench.insert(3)),
  ]);
  assert.deepEqual(results.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  assert.deepEqual(bench.committed(), [1, 3]);
});

Deno.test("GroupCommit.run() with patience rides with the next group, in order, or goes alone in the end", async () => {
  await using bench = await Bench.open();
  const order: string[] = [];
  const patient = bench.group.run(() => {
    order.push("patient");
    return bench.insert(1);
  }, 60_000);
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.equal(order.length, 0, "it waits");
  await bench.group.run(() => {
    order.push("urgent");
    return bench.insert(2);
  });
  await patient;
  assert.deepEqual(order, ["patient", "urgent"]);
  await bench.group.run(() => bench.insert(3), 5);
  assert.deepEqual(bench.committed(), [1, 2, 3]);
});

Deno.test("GroupCommit.close() runs what came before, the patient too, and refuses what comes after", async () => {
  await using bench = await Bench.open();
  const patient = bench.group.run(() => bench.insert(1), 60_000);
  await bench.group.close();
  await patient;
  assert.deepEqual(bench.committed(), [1]);
  await assert.rejects(bench.group.run(() => bench.insert(2)));
});

Deno.test("GroupCommit tells every work of a group when the commit itself fails, and works again afterwards", async () => {
  await using bench = await Bench.open();
  const blocker = new DatabaseSync(bench.db.location() ?? "");
  blocker.exec("BEGIN IMMEDIATE");
  const results = await Promise.allSettled([1, 2].map((value) => bench.group.run(() => bench.insert(value))));
  assert.deepEqual(results.map(({ status }) => status), ["rejected", "rejected"]);
  blocker.exec("ROLLBACK");
  blocker.close();
  await bench.group.run(() => bench.insert(3));
  assert.deepEqual(bench.committed(), [3]);
});

Deno.test("GroupCommit.run() resolves when its group is on the disk, and joins what comes while that takes", async () => {
  await using bench = await Bench.open();
  const syncs: PromiseWithResolvers<void>[] = [];
  const begun = Promise.withResolvers<void>();
  bench.sync = () => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    begun.resolve();
    return sync.promise;
  };
  const done: number[] = [];
  const insert = (value: number) => bench.group.run(() => bench.insert(value)).then(() => done.push(value));
  const first = insert(1);
  await begun.promise;
  const rest = [insert(2), insert(3), bench.group.run(() => Promise.resolve(done.push(0)))];
  await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
  assert.deepEqual([done, bench.committed()], [[], [1]], "nobody is told, and nobody sees it");
  syncs[0]?.resolve();
  await first;
  // deno-lint-ignore no-await-in-loop -- until the next one has begun
  while (syncs.length < 2) await new Promise<void>((resolve) => setImmediate(resolve));
  syncs[1]?.resolve();
  await Promise.all(rest);
  assert.deepEqual([syncs.length, bench.group.commitCount, bench.committed()], [2, 2, [1, 2, 3]]);
});

Deno.test("GroupCommit.run() does not sync what only read", async () => {
  await using bench = await Bench.open();
  bench.sync = () => Promise.reject(new Error("there is nothing to sync"));
  assert.equal(await bench.group.run(() => Promise.resolve(7)), 7);
});

Deno.test("GroupCommit believes no disk any more that once failed to keep what it was given", async () => {
  await using bench = await Bench.open();
  bench.sync = () => Promise.reject(new Error("input/output error"));
  await assert.rejects(bench.group.run(() => bench.insert(1)), /commit failed/);
  bench.sync = () => Promise.resolve();
  await assert.rejects(bench.group.run(() => bench.insert(2)), /commit failed/);
  await assert.rejects(bench.group.run(() => Promise.resolve(1)), /commit failed/);
});

Deno.test("GroupCommit.run() with patience still waits for somebody else when it came while a group was synced", async () => {
  await using bench = await Bench.open();
  const { promise: sync, resolve } = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  bench.sync = () => {
    begun.resolve();
    return sync;
  };
  const first = bench.group.run(() => bench.insert(1));
  await begun.promise;
  const patient = bench.group.run(() => bench.insert(2), 60_000);
  resolve();
  await first;
  await new Promise<void>((next) => setImmediate(() => setImmediate(next)));
  assert.deepEqual(bench.committed(), [1]);
  await bench.group.run(() => bench.insert(3));
  await patient;
  assert.equal(bench.group.commitCount, 2);
});
