/** What is shorter than this is copied behind what waits already. */
const SMALL_BYTES = 4_096;

/** Room for small pieces. */
const CHUNK_BYTES = 16_384;

/** Emptied places before the chunks that remain, at most. */
const MAX_EMPTIED = 256;

interface Chunk {
  readonly bytes: Uint8Array;
  /** How much of `bytes` is filled. */
  used: number;
}

/**
 * Bytes that wait to be sent: in few chunks, however small the pieces are that they come in, so that what they cost is
 * what they count, and taken from the front in a time that does not depend on how many there are.
 */
export class OutgoingBytes {
  #chunks: Chunk[] = [];
  /** Place of the first chunk that is not sent. */
  #head = 0;
  /** What of it is sent. */
  #sent = 0;
  #length = 0;

  /** Bytes that wait. */
  get length(): number {
    return this.#length;
  }

  /** Queues bytes. They belong to the queue from now on. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const last = this.#chunks.at(-1);
    this.#length += bytes.length;
    if (last !== undefined && last.bytes.length - last.used >= bytes.length) {
      last.bytes.set(bytes, last.used);
      last.used += bytes.length;
      return;
    }
    // A piece that waits alone needs no copy.
    if (this.#length === bytes.length || bytes.length >= SMALL_BYTES) {
      this.#chunks.push({ bytes, used: bytes.length });
      return;
    }
    const chunk = new Uint8Array(CHUNK_BYTES);
    chunk.set(bytes);
    this.#chunks.push({ bytes: chunk, used: bytes.length });
  }

  /** The next bytes to send; undefined when there are none. */
  get first(): Uint8Array | undefined {
    const chunk = this.#chunks[this.#head];
    return chunk?.bytes.subarray(this.#sent, chunk.used);
  }

  /** Drops the first `count` bytes of {@linkcode first}: they are sent. */
  drop(count: number): void {
    this.#length -= count;
    this.#sent += count;
    if (this.#sent < (this.#chunks[this.#head]?.used ?? 0)) return;
    this.#sent = 0;
    this.#head++;
    if (this.#length === 0) this.clear();
    else if (this.#head >= MAX_EMPTIED) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Drops everything. */
  clear(): void {
    this.#chunks = [];
    this.#head = this.#sent = this.#length = 0;
  }
}
