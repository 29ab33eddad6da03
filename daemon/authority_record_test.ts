import assert from "node:assert/strict";
import { join } from "node:path";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { CA_FINGERPRINT_FACT, readAuthorityRecord, writeAuthorityRecord } from "./authority_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";
import { isError } from "./testing/pairing_bench.ts";

const [A, B, C] = [1, 2, 3].map((byte) => fingerprintOf(new Uint8Array([byte])));

async function withStore(run: (store: SqliteStore) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    await run(store);
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("readAuthorityRecord() reads what was written, and of a state before any rotation the one CA", async () => {
  assert.ok(A && B && C);
  await withStore(async (store) => {
    assert.equal(await store.transaction(readAuthorityRecord), undefined);
    await store.transaction((tx) => tx.facts.put(CA_FINGERPRINT_FACT, A));
    const alone = { current: A, retiring: [], succession: [], discarded: [] };
    assert.deepEqual(await store.transaction(readAuthorityRecord), alone);
    const record = { current: B, next: C, retiring: [A], succession: [new Uint8Array([1, 2, 255])], discarded: [C] };
    await store.transaction((tx) => writeAuthorityRecord(tx, record));
    assert.deepEqual(await store.transaction(readAuthorityRecord), record);
    await store.transaction((tx) => writeAuthorityRecord(tx, { ...alone, next: undefined }));
    assert.deepEqual(await store.transaction(readAuthorityRecord), alone);
  });
});

Deno.test("readAuthorityRecord() rejects with state_damaged when what is stored is no such record", async () => {
  assert.ok(A);
  await withStore(async (store) => {
    const damaged = [
      "",
      "[]",
      "{",
      '{"retiring":["x"],"succession":[],"discarded":[]}',
      '{"retiring":[],"discarded":[]}',
    ];
    await store.transaction((tx) => tx.facts.put(CA_FINGERPRINT_FACT, A));
    for (const text of damaged) {
      // deno-lint-ignore no-await-in-loop -- a table
      await store.transaction((tx) => tx.facts.put("ca_authorities", text));
      // deno-lint-ignore no-await-in-loop -- a table
      await assert.rejects(store.transaction(readAuthorityRecord), isError("state_damaged", /backup/), text);
    }
    await store.transaction((tx) => tx.facts.put(CA_FINGERPRINT_FACT, "no fingerprint"));
    await assert.rejects(store.transaction(readAuthorityRecord), isError("state_damaged"));
  });
});
