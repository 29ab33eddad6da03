import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { QUIC_RESET_KEY_SECRET, quicResetKey } from "./quic_reset_key.ts";

Deno.test("quicResetKey() makes a key once, and refuses a damaged one with the cure", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir();
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const secrets = await SecretStore.open(folder);
  const key = await quicResetKey(secrets);
  assert.equal(key.length, 32);
  assert.deepEqual(await quicResetKey(secrets), key);
  await secrets.write(QUIC_RESET_KEY_SECRET, new Uint8Array(31));
  await assert.rejects(quicResetKey(secrets), (error) => {
    return error instanceof PalyraError && error.code === "state_damaged" && /Delete that file/.test(error.message);
  });
});
