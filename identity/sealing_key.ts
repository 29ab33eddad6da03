import { createHash } from "node:crypto";

/** Length of a sealing key: AES-256. */
export const SEALING_KEY_BYTES = 32;

const ID_BYTES = 8;
/** Keeps a key's id from being its plain SHA-256, which other programs may show. */
const ID_PURPOSE = "palyra sealing key id 1\0";

/**
 * A key that secrets are sealed with at rest: AES-256-GCM, kept by WebCrypto in a form that cannot be exported. Prints as
 * its id alone.
 */
export class SealingKey {
  /** What names the key in sealed files and to people, 16 hex digits. It tells nothing about a random key. */
  readonly id: string;
  readonly #key: CryptoKey;

  private constructor(id: string, key: CryptoKey) {
    this.id = id;
    this.#key = key;
  }

  /** Takes the key's 32 bytes; throws a `RangeError` for another length. */
  static async of(bytes: Uint8Array<ArrayBuffer>): Promise<SealingKey> {
    if (bytes.length !== SEALING_KEY_BYTES) throw new RangeError(`A sealing key has ${SEALING_KEY_BYTES} bytes.`);
    const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
    const digest = createHash("sha256").update(ID_PURPOSE).update(bytes).digest();
    return new SealingKey(digest.subarray(0, ID_BYTES).toString("hex"), key);
  }

  /** Encrypts; the tag stands behind the text. A nonce must never be used twice with one key. */
  async encrypt(
    nonce: Uint8Array<ArrayBuffer>,
    additionalData: Uint8Array<ArrayBuffer>,
    plain: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(
      await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData }, this.#key, plain),
    );
  }

  /** Decrypts; undefined when anything was changed, the key and the additional data included. */
  async decrypt(
    nonce: Uint8Array<ArrayBuffer>,
    additionalData: Uint8Array<ArrayBuffer>,
    sealed: Uint8Array<ArrayBuffer>,
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    try {
      const parameters = { name: "AES-GCM", iv: nonce, additionalData };
      return new Uint8Array(await crypto.subtle.decrypt(parameters, this.#key, sealed));
    } catch (error) {
      if (error instanceof DOMException && error.name === "OperationError") return undefined;
      throw error;
    }
  }
}

/**
 * The bytes of a sealing key from what a file or a variable holds: 64 hex digits, base64 or base64url (with or without
 * padding; white space around is passed over), or the 32 bytes themselves. Undefined for anything else: also for 32
 * characters of text, as a password or half a key in hex is, because random bytes are never all printable.
 */
export function parseSealingKey(content: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (content.length === SEALING_KEY_BYTES) return isText(content) ? undefined : new Uint8Array(content);
  const text = new TextDecoder().decode(content).trim();
  if (/^[0-9a-f]{64}$/i.test(text)) return Uint8Array.fromHex(text);
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined;
  const standard = text.replaceAll("-", "+").replaceAll("_", "/").replace(/=$/, "");
  return Uint8Array.fromBase64(`${standard}=`);
}

function isText(content: Uint8Array): boolean {
  return content.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d);
}

/** Where a program gets its sealing key when it needs it; undefined when it was given none. */
export type SealingKeySource = () => Promise<SealingKey | undefined>;
