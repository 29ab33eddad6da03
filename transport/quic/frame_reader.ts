import { PalyraError } from "../../identity/palyra_error.ts";
import { FRAME_HEADER_BYTES } from "./frame_writer.ts";
import { GrowingBytes } from "./growing_bytes.ts";

/** Takes the pieces of one stream as they come and gives the payloads of whole frames (design section 4). */
export class FrameReader {
  readonly #maxFrameBytes: number;
  #headerBytes = 0;
  /** Value of the header bytes so far. */
  #header = 0;
  #payloadBytes = 0;
  /** The payload of a frame that has come in part; undefined when none of it has. */
  #payload: GrowingBytes | undefined;
  #refused = false;

  /** `maxFrameBytes`: the longest payload that is taken. */
  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** Bytes of an unfinished frame that are held, its header included. */
  get pendingBytes(): number {
    return this.#headerBytes + (this.#payload?.length ?? 0);
  }

  /**
   * The payloads that are complete with these bytes, in order. They are copies: the caller may overwrite `bytes`.
   *
   * Throws `message_too_large` at the header of a frame that promises more than the limit, and again at every later
   * call: nobody knows where the next frame begins. Payloads that the same bytes completed before it are lost.
   */
  push(bytes: Uint8Array): Uint8Array[] {
    if (this.#refused) throw this.#tooLarge();
    const payloads: Uint8Array[] = [];
    let at = 0;
    // A frame without a payload is complete with its header, so there can be one at the very end of the bytes.
    while (at < bytes.length || this.#isWhole()) {
      if (this.#headerBytes < FRAME_HEADER_BYTES) {
        at = this.#takeHeader(bytes, at);
        continue;
      }
      const missing = this.#payloadBytes - (this.#payload?.length ?? 0);
      const piece = bytes.subarray(at, at + missing);
      at += piece.length;
      if (piece.length === missing && this.#payload === undefined) {
        payloads.push(piece.slice());
        this.#headerBytes = 0;
        continue;
      }
      this.#payload ??= new GrowingBytes(this.#payloadBytes);
      this.#payload.append(piece);
      if (piece.length < missing) break;
      payloads.push(this.#payload.take());
      this.#payload = undefined;
      this.#headerBytes = 0;
    }
    return payloads;
  }

  #isWhole(): boolean {
    return this.#headerBytes === FRAME_HEADER_BYTES && this.#payloadBytes === 0;
  }

  /** Reads header bytes from `at` on and gives the place after them. */
  #takeHeader(bytes: Uint8Array, at: number): number {
    let next = at;
    while (this.#headerBytes < FRAME_HEADER_BYTES && next < bytes.length) {
      this.#header = (this.#headerBytes === 0 ? 0 : this.#header * 256) + (bytes[next] ?? 0);
      this.#headerBytes++;
      next++;
    }
    if (this.#headerBytes < FRAME_HEADER_BYTES) return next;
    if (this.#header > this.#maxFrameBytes) {
      this.#headerBytes = 0;
      this.#refused = true;
      throw this.#tooLarge();
    }
    this.#payloadBytes = this.#header;
    return next;
  }

  #tooLarge(): PalyraError {
    return new PalyraError(
      "message_too_large",
      `A frame announces more than ${this.#maxFrameBytes} bytes. Send less at once, in several frames.`,
    );
  }
}
