import { randomBytes } from "node:crypto";
import { PalyraError } from "../identity/palyra_error.ts";
import type { SecretStore } from "../identity/secret_store.ts";
import { RESET_KEY_BYTES } from "../transport/quic/stateless_reset.ts";

/** Name of the key in the secret store. */
export const QUIC_RESET_KEY_SECRET = "quic-reset-key";

/**
 * The key that lets nodes tell a daemon that was killed and came back from one that is silent; made at the first call.
 * Rejects with `state_damaged`, and with what the store rejects with.
 */
export async function quicResetKey(secrets: SecretStore): Promise<Uint8Array> {
  const stored = await secrets.read(QUIC_RESET_KEY_SECRET);
  if (stored === undefined) {
    const key = new Uint8Array(randomBytes(RESET_KEY_BYTES));
    await secrets.write(QUIC_RESET_KEY_SECRET, key);
    return key;
  }
  if (stored.length === RESET_KEY_BYTES) return stored;
  throw new PalyraError(
    "state_damaged",
    `${QUIC_RESET_KEY_SECRET} in ${secrets.folder} is damaged. Delete that file: palyrad makes another one.`,
  );
}
