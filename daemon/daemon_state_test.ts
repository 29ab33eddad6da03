import assert from "node:assert/strict";
import { join } from "node:path";
import { newDeviceId } from "../identity/device_id.ts";
import { AUDIT_ANCHOR_FILE } from "./audit/audit_anchor.ts";
import { readDaemonConfig } from "./daemon_config.ts";
import { DaemonState, DATABASE_FILE } from "./daemon_state.ts";
import { isError } from "./testing/pairing_bench.ts";

Deno.test("DaemonState.open() changes nothing of a state that it refuses because its database was restored", async () => {
  const stateRoot = await Deno.makeTempDir();
  try {
    const config = await readDaemonConfig({ stateRoot, environment: { get: () => undefined } });
    await (await DaemonState.open(config)).close();
    const database = join(config.stateFolder, DATABASE_FILE);
    const backup = await Deno.readFile(database);
    const state = await DaemonState.open(config);
    await state.store.transaction((tx) =>
      tx.audit.append({
        kind: "device.revoked",
        actor: "ada",
        subject: newDeviceId(),
        details: { device_name: "laptop", reason: "lost" },
      }, state.clock())
    );
    await state.close();
    await Deno.writeFile(database, backup);
    const anchor = join(config.stateFolder, AUDIT_ANCHOR_FILE);
    const before = await Deno.readFile(anchor);
    await assert.rejects(DaemonState.open(config), isError("state_restored"));
    assert.deepEqual(await Deno.readFile(anchor), before, "a newer backup is still known to be whole by it");

    await (await DaemonState.open({ ...config, acceptRestoredState: true })).close();
    await (await DaemonState.open(config)).close();
  } finally {
    await Deno.remove(stateRoot, { recursive: true });
  }
});
