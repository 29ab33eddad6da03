import assert from "node:assert/strict";
import { join } from "node:path";
import { SecretStore } from "../../identity/secret_store.ts";
import { DATABASE_FILE } from "../daemon_state.ts";
import { SqliteStore } from "../store/sqlite/sqlite_store.ts";
import { anAct, timeOf } from "../testing/audit_chain.ts";
import { AuditAnchorKeeper } from "./audit_anchor_keeper.ts";
import { archiveAudit } from "./audit_archive.ts";
import { AuditLog, MAX_FORGOTTEN_AT_ONCE } from "./audit_log.ts";
import { verifyAuditFiles, verifyStoredAudit } from "./stored_audit.ts";

Deno.test("archiveAudit() deletes a long audit in steps, and what is left verifies with the file and without it", async () => {
  const folder = await Deno.makeTempDir();
  const store = SqliteStore.open(join(folder, DATABASE_FILE));
  const secrets = await SecretStore.open(join(folder, "secrets"));
  const clock = () => timeOf(100_000);
  const anchor = await AuditAnchorKeeper.open({ folder, secrets, store, clock });
  const audit = new AuditLog({ store, anchor, clock });
  try {
    const old = 2 * MAX_FORGOTTEN_AT_ONCE + 1;
    await store.transaction(async (tx) => {
      for (let number = 1; number <= old + 2; number++) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        await tx.audit.append(anAct(number), timeOf(number));
      }
    });
    const path = join(folder, "old.jsonl");
    const steps: number[] = [];
    const archived = await archiveAudit({
      folder,
      before: timeOf(old + 1),
      path,
      forget: async (through) => {
        steps.push(through.sequence);
        await audit.forget(through, "owner");
      },
    });
    assert.deepEqual(archived, { first: 1, last: old });
    assert.deepEqual(steps, [MAX_FORGOTTEN_AT_ONCE, 2 * MAX_FORGOTTEN_AT_ONCE, old]);
    const left = await verifyStoredAudit(folder);
    assert.deepEqual([left.flaw, left.first, left.count], [undefined, old + 1, 2 + steps.length]);
    const whole = await verifyStoredAudit(folder, { archives: [path] });
    assert.deepEqual([whole.flaw, whole.first, whole.count], [undefined, 1, old + 2 + steps.length]);
    assert.equal((await verifyAuditFiles([path], undefined)).count, old);
  } finally {
    audit.close();
    await store.close();
    await anchor.close();
    await Deno.remove(folder, { recursive: true });
  }
});
