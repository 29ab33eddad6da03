import assert from "node:assert/strict";
import { PalyraError } from "./palyra_error.ts";
import type { ReasonCode } from "./reason_code.ts";
import { SEALING_KEY_BYTES, SealingKey, type SealingKeySource } from "./sealing_key.ts";

/** A sealing key of its own for every number. */
export async function sealingKey(number: number): Promise<SealingKey> {
  return await SealingKey.of(new Uint8Array(SEALING_KEY_BYTES).fill(number));
}

/** A program that was given this key; none by default. */
export function given(key?: SealingKey): SealingKeySource {
  return () => Promise.resolve(key);
}

/** For `assert.rejects`: the failure has the code, and its message says so much. */
export function failsWith(code: ReasonCode, about = /./): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PalyraError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, about);
    return true;
  };
}

/** Runs `body` with a folder of its own. */
export async function inSecretsFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "palyra-sealing-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
