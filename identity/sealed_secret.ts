import { PalyraError } from "./palyra_error.ts";
import { type RandomBytes, secureRandomBytes } from "./random_bytes.ts";
import type { SealingKey } from "./sealing_key.ts";

/** No text begins so, and no PEM and no JSON does: `\x89PYSEAL\n`. */
const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x50, 0x59, 0x53, 0x45, 0x41, 0x4c, 0x0a);
const VERSION = 1;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = MAGIC.length + 1 + KEY_ID_BYTES;
const OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;

/** Whether a file's content is a sealed secret, of whatever version. */
export function isSealed(content: Uint8Array): boolean {
  return content.length >= MAGIC.length && MAGIC.every((byte, at) => content[at] === byte);
}

/**
 * The id of the key that a sealed secret needs. Throws `schema_too_new` for a format of a later version, and
 * `state_damaged` for a file that was cut short.
 *
 * @param path what messages name.
 */
export function sealedKeyId(content: Uint8Array, path: string): string {
  const version = content[MAGIC.length];
  if (version !== undefined && version > VERSION) {
    throw new PalyraError(
      "schema_too_new",
      `${path} was sealed by a newer version of this program; update the program.`,
    );
  }
  if (version !== VERSION || content.length < OVERHEAD_BYTES) {
    throw new PalyraError("state_damaged", `${path} is sealed, and damaged; restore it from a backup.`);
  }
  return content.subarray(MAGIC.length + 1, HEADER_BYTES).toHex();
}

/**
 * Seals a secret under its name (design section 3). The layout is magic (8 bytes), version (1), id of the key (8), nonce
 * (12, random), then ciphertext and tag of AES-256-GCM. Authenticated with it are all that stands before the nonce, and
 * the name: a sealed secret is refused under any other name.
 */
export async function sealSecret(
  key: SealingKey,
  name: string,
  plain: Uint8Array,
  random: RandomBytes = secureRandomBytes,
): Promise<Uint8Array<ArrayBuffer>> {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(MAGIC);
  header[MAGIC.length] = VERSION;
  header.set(Uint8Array.fromHex(key.id), MAGIC.length + 1);
  const nonce = new Uint8Array(random(NONCE_BYTES));
  const body = await key.encrypt(nonce, boundTo(header, name), new Uint8Array(plain));
  const sealed = new Uint8Array(HEADER_BYTES + NONCE_BYTES + body.length);
  sealed.set(header);
  sealed.set(nonce, HEADER_BYTES);
  sealed.set(body, HEADER_BYTES + NONCE_BYTES);
  return sealed;
}

/**
 * Opens a sealed secret. Throws `sealing_key_wrong` when it was sealed with another key, `state_damaged` when it was
 * changed or is another name's, and as {@linkcode sealedKeyId} does.
 *
 * @param path what messages name.
 */
export async function openSealedSecret(
  key: SealingKey,
  name: string,
  content: Uint8Array,
  path: string,
): Promise<Uint8Array> {
  const keyId = sealedKeyId(content, path);
  if (keyId !== key.id) throw wrongSealingKey(path, keyId, key);
  const header = new Uint8Array(content.subarray(0, HEADER_BYTES));
  const nonce = new Uint8Array(content.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES));
  const body = new Uint8Array(content.subarray(HEADER_BYTES + NONCE_BYTES));
  const plain = await key.decrypt(nonce, boundTo(header, name), body);
  if (plain !== undefined) return plain;
  throw new PalyraError(
    "state_damaged",
    `${path} was changed since it was sealed, or another file was put in its place; restore it from a backup, and find ` +
      "out who can write there.",
  );
}

/** What there is to say when something was sealed with another key than the one that was given. */
export function wrongSealingKey(path: string, keyId: string, given: SealingKey): PalyraError {
  return new PalyraError(
    "sealing_key_wrong",
    `${path} is sealed with the key ${keyId}, and the key that was given is ${given.id}. Give the one it is sealed with: ` +
      "as the systemd credential palyra-sealing-key, or by PALYRA_SEALING_KEY_FILE.",
  );
}

function boundTo(header: Uint8Array, name: string): Uint8Array<ArrayBuffer> {
  // The header's length is fixed, so nothing of it can be taken for a part of the name.
  return new Uint8Array([...header, ...new TextEncoder().encode(name)]);
}
