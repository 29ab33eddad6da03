import assert from "node:assert/strict";
import { join } from "node:path";
import { StateLock } from "../state_lock.ts";
import { purgeState } from "./purge_state.ts";

Deno.test("purgeState() removes a state folder, and nothing else that has its name", async () => {
  const root = await Deno.makeTempDir();
  try {
    const state = join(root, "palyrad");
    assert.equal(await purgeState(state), false);
    await Deno.mkdir(join(state, "secrets"), { recursive: true });
    await assert.rejects(purgeState(state), { code: "invalid_argument", message: /is missing/ });
    {
      using _lock = StateLock.acquire(state);
      await assert.rejects(purgeState(state), { code: "state_in_use" });
    }
    assert.ok((await Deno.stat(join(state, "secrets"))).isDirectory);
    assert.equal(await purgeState(state), true);
    await assert.rejects(Deno.stat(state), Deno.errors.NotFound);
    assert.ok((await Deno.stat(root)).isDirectory);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
