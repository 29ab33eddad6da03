import assert from "node:assert/strict";
import { join } from "node:path";
import { type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { parseJsonObject } from "./json_object.ts";
import { recordSealing } from "./sealing_record.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

const AT: UnixMs = unixMs(1_700_000_000_000);

Deno.test("recordSealing() records each change since the last start, and no start without one", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
  try {
    const saidAfter = async (...keyIds: (string | undefined)[]) => {
      const { length } = await store.transaction((tx) => tx.audit.read({ after: 0, limit: 1_000 }));
      // deno-lint-ignore no-await-in-loop -- one start after the other
      for (const keyId of keyIds) await recordSealing(store, keyId, AT);
      const records = await store.transaction((tx) => tx.audit.read({ after: 0, limit: 1_000 }));
      return records.slice(length).map((
        { kind, subject, detailsJson },
      ) => [kind, subject, parseJsonObject(detailsJson)]);
    };
    assert.deepEqual(await saidAfter(undefined, undefined), []);
    assert.deepEqual(await saidAfter("a1", "a1"), [["secrets.sealed", "a1", {}]]);
    assert.deepEqual(await saidAfter("b2"), [["secrets.rekeyed", "b2", { previous_key_id: "a1" }]]);
    assert.deepEqual(await saidAfter(undefined, undefined), [["secrets.unsealed", "b2", {}]]);
  } finally {
    await store.close();
    await Deno.remove(folder, { recursive: true });
  }
});
