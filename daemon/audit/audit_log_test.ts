import assert from "node:assert/strict";
import { join } from "node:path";
import type { AuditHead } from "../store/audit_record.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";
import { aChain, anAct, timeOf } from "../testing/audit_chain.ts";
import { isError } from "../testing/pairing_bench.ts";
import { AuditLog } from "./audit_log.ts";

/** A log with so many records. */
async function withLog(
  length: number,
  body: (
    log: AuditLog,
    append: (number: number) => Promise<void>,
    noted: readonly number[],
    store: SqliteStore,
  ) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  const noted: number[] = [];
  const anchor = { noteArchived: ({ sequence }: AuditHead) => Promise.resolve(void noted.push(sequence)) };
  const log = new AuditLog({ store, anchor, clock: () => timeOf(100) });
  const append = (number: number) => store.transaction((tx) => tx.audit.append(anAct(number), timeOf(number)));
  try {
    // In one turn, and so in order.
    await Promise.all(Array.from({ length }, (_, index) => append(index + 1)));
    await body(log, append, noted, store);
  } finally {
    log.close();
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
}

const never = new AbortController().signal;

Deno.test("AuditLog.read() reads everything behind a record and ends, however many pages that is", () =>
  withLog(200, async (log) => {
    assert.deepEqual(await Array.fromAsync(log.read(0, undefined, false, never)), aChain(200));
    assert.deepEqual(await Array.fromAsync(log.read(198, undefined, false, never)), aChain(200).slice(198));
    assert.deepEqual(await Array.fromAsync(log.read(200, undefined, false, never)), []);
    assert.deepEqual(await Array.fromAsync(log.read(0, "device.removed", false, never)), []);
    assert.equal((await Array.fromAsync(log.read(0, "device.revoked", false, never))).length, 200);
    await assert.rejects(log.read(201, undefined, false, never).next(), isError("invalid_argument", /200/));
  }));

Deno.test("AuditLog.read() takes short steps through an audit with hardly any record of the kind", () =>
  withLog(200, async (log, _append, _noted, store) => {
    const before = store.commitCount;
    assert.deepEqual(await Array.fromAsync(log.read(0, "device.removed", false, never)), []);
    // Others have their turn between two of them.
    assert.ok(store.commitCount - before > 200 / 64, String(store.commitCount - before));
  }));

Deno.test("AuditLog.read() follows: each record once, in order, until its reader has enough", () =>
  withLog(2, async (log, append) => {
    const enough = new AbortController();
    const reader = log.read(1, "device.revoked", true, enough.signal);
    assert.equal((await reader.next()).value?.sequence, 2);
    const next = reader.next();
    await append(3);
    await append(4);
    assert.equal((await next).value?.sequence, 3);
    assert.equal((await reader.next()).value?.sequence, 4);
    const last = reader.next();
    enough.abort();
    assert.equal((await last).done, true);
  }));

Deno.test("AuditLog.close() ends those who follow", () =>
  withLog(1, async (log) => {
    const reader = log.read(1, undefined, true, never);
    const ended = assert.rejects(reader.next(), isError("shutting_down"));
    log.close();
    await ended;
  }));

Deno.test("AuditLog.forget() deletes what was archived, says so in the anchor before, and leaves a record in its place", () =>
  withLog(6, async (log, _, noted) => {
    const fourth = aChain(6)[3] ?? assert.fail();
    assert.equal(await log.forget(fourth, "owner"), 4);
    assert.deepEqual(noted, [4]);
    const left = await Array.fromAsync(log.read(0, undefined, false, never));
    assert.deepEqual(left.slice(0, 2), aChain(6).slice(4));
    const { kind, actor, detailsJson } = left[2] ?? assert.fail();
    assert.deepEqual([kind, actor], ["audit.archived", "owner"]);
    assert.deepEqual(JSON.parse(detailsJson), { first_sequence: 1, last_sequence: 4, last_hash: fourth.hash });
  }));

Deno.test("AuditLog.forget() deletes nothing for somebody who has not read what it is", () =>
  withLog(6, async (log, _, noted) => {
    const [first, second] = aChain(6);
    assert.ok(first && second);
    await assert.rejects(log.forget({ sequence: 2, hash: first.hash }, "owner"), isError("audit_broken"));
    await assert.rejects(log.forget({ sequence: 7, hash: second.hash }, "owner"), isError("invalid_argument"));
    await assert.rejects(log.forget({ sequence: 0, hash: second.hash }, "owner"), isError("invalid_argument"));
    assert.equal((await Array.fromAsync(log.read(0, undefined, false, never))).length, 6);
    assert.deepEqual(noted, [], "nor does the anchor allow it");
    await log.forget(second, "owner");
    await assert.rejects(log.forget(second, "owner"), isError("invalid_argument", /no record 2/));
  }));
