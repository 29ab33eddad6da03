import assert from "node:assert/strict";
import { EMPTY_AUDIT } from "../audit/audit_chain.ts";
import { AuditWalk } from "../audit/audit_walk.ts";
import { aChain, anAct, timeOf } from "../testing/audit_chain.ts";
import type { AuditHead, AuditRecord } from "./audit_record.ts";
import type { StoreUnderTest } from "./store_contract.ts";
import type { Store } from "./store.ts";

/** Appends the acts that count from `first` to `last`, each in a transaction of its own. */
async function append(store: Store, first: number, last: number): Promise<void> {
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  await Promise.all(
    numbers.map((number) => store.transaction((tx) => tx.audit.append(anAct(number), timeOf(number)))),
  );
}

function all(store: Store): Promise<AuditRecord[]> {
  return store.transaction((tx) => tx.audit.read({ after: 0, limit: 1_000 }));
}

function headOf(records: readonly AuditRecord[]): AuditHead {
  const { sequence, hash } = records.at(-1) ?? EMPTY_AUDIT;
  return { sequence, hash };
}

/** Registers the tests of the audit that every {@linkcode Store} driver must pass. */
export function auditContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (store: Store, under: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${driver} ${name}`, async () => {
      const under = await setUp();
      const store = await under.open();
      try {
        await body(store, under);
      } finally {
        await store.close();
        await under.remove();
      }
    });

  test("chains the records of the audit, and goes on after a restart", async (store, under) => {
    assert.deepEqual(await store.transaction((tx) => tx.audit.head()), EMPTY_AUDIT);
    assert.equal(await store.transaction((tx) => tx.audit.highestSequence()), 0);
    await append(store, 1, 4);
    const again = await under.open();
    try {
      await append(again, 5, 6);
      const records = await all(again);
      assert.deepEqual(records, aChain(6));
      assert.deepEqual(await again.transaction((tx) => tx.audit.head()), headOf(records));
      assert.equal(await again.transaction((tx) => tx.audit.highestSequence()), 6);
    } finally {
      await again.close();
    }
  });

  test("leaves no record of a work that rejects, and no hole in the chain", async (store) => {
    const works = [1, 2, 3, 4, 5].map((number) =>
      store.transaction(async (tx) => {
        await tx.audit.append(anAct(number), timeOf(number));
        await tx.audit.append(anAct(number + 10), timeOf(number));
        if (number % 2 === 0) throw new Error("changed my mind");
      })
    );
    const results = await Promise.allSettled(works);
    assert.deepEqual(results.map(({ status }) => status === "fulfilled"), [true, false, true, false, true]);
    const records = await all(store);
    const subjects = records.map(({ subject }) => subject);
    assert.deepEqual(subjects, [1, 11, 3, 13, 5, 15].map((number) => `device-${number}`));
    const walk = new AuditWalk();
    await walk.along(records);
    assert.deepEqual([walk.flaw, walk.count], [undefined, 6]);
  });

  test("reads records of the audit behind a number, so many at a time", async (store) => {
    await append(store, 1, 5);
    const read = async (after: number, limit: number) =>
      (await store.transaction((tx) => tx.audit.read({ after, limit }))).map(({ sequence }) => sequence);
    assert.deepEqual(await read(0, 2), [1, 2]);
    assert.deepEqual(await read(3, 10), [4, 5]);
    assert.deepEqual(await read(5, 10), []);
  });

  test("deletes the oldest records of the audit, and goes on behind the newest", async (store, under) => {
    await append(store, 1, 5);
    assert.equal(await store.transaction((tx) => tx.audit.removeThrough(3)), 3);
    assert.equal(await store.transaction((tx) => tx.audit.removeThrough(3)), 0);
    await append(store, 6, 6);
    const again = await under.open();
    try {
      await append(again, 7, 7);
      assert.deepEqual(await all(again), aChain(7).slice(3));
      assert.equal(await again.transaction((tx) => tx.audit.highestSequence()), 7);
    } finally {
      await again.close();
    }
  });

  test("tells of the newest record once it is committed, and of none that was not", async (store) => {
    const told: AuditHead[] = [];
    const unsubscribe = store.onAuditRecords((head) => told.push(head));
    await assert.rejects(store.transaction(async (tx) => {
      await tx.audit.append(anAct(1), timeOf(1));
      throw new Error("changed my mind");
    }));
    await all(store);
    assert.deepEqual(told, []);
    await store.transaction(async (tx) => {
      await tx.audit.append(anAct(1), timeOf(1));
      await tx.audit.append(anAct(2), timeOf(2));
    });
    assert.deepEqual(told, [headOf(aChain(2))], "once for the work, before its promise resolves");
    unsubscribe();
    await append(store, 3, 3);
    assert.equal(told.length, 1);
  });
}
