import { createHmac, randomBytes } from "node:crypto";
import { CONNECTION_ID_BYTES, hasLongHeader } from "./connection_id.ts";

const TOKEN_BYTES = 16;

/** The shortest packet that can be a reset, and so long that it cannot be told from others (RFC 9000, section 10.3). */
const MIN_RESET_BYTES = 21;
const RESET_BYTES = 42;

/** How long a key must be, in bytes. */
export const RESET_KEY_BYTES = 32;

/**
 * Tells the peers of connections that this endpoint no longer knows, because its process was killed, that they are over
 * (RFC 9000, section 10.3). Without it they would find out by silence alone.
 *
 * The tokens come from the connection ids and a key that outlives the process.
 */
export class StatelessResets {
  readonly #key: Uint8Array;

  /** `key` has to be secret: who knows it can end connections. */
  constructor(key: Uint8Array) {
    if (key.length !== RESET_KEY_BYTES) throw new RangeError(`a reset key has ${RESET_KEY_BYTES} bytes`);
    this.#key = key;
  }

  /** The token that a peer is given together with a connection id. */
  tokenOf(connectionId: Uint8Array): Uint8Array {
    return new Uint8Array(createHmac("sha256", this.#key).update(connectionId).digest().subarray(0, TOKEN_BYTES));
  }

  /** The same as the number of 128 bits that the native library wants. */
  tokenNumberOf(connectionId: Uint8Array): bigint {
    return BigInt(`0x${this.tokenOf(connectionId).toHex()}`);
  }

  /**
   * The answer to a datagram of a connection that is not known; undefined when it is not to be answered. Always shorter
   * than what it answers, so that two endpoints cannot answer each other for ever.
   */
  answerTo(datagram: Uint8Array): Uint8Array | undefined {
    const length = Math.min(datagram.length - 1, RESET_BYTES);
    if (hasLongHeader(datagram) || datagram.length <= CONNECTION_ID_BYTES + 1 || length < MIN_RESET_BYTES) {
      return undefined;
    }
    const reset = new Uint8Array(randomBytes(length));
    // A short header: the first bit 0, the second 1.
    reset[0] = 0x40 | (reset[0] ?? 0) & 0x3f;
    reset.set(this.tokenOf(datagram.subarray(1, 1 + CONNECTION_ID_BYTES)), length - TOKEN_BYTES);
    return reset;
  }
}
