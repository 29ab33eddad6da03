/**
 * Bytes that arrive in pieces and become one array. What is held grows with what has come, at most to twice as much,
 * and never with what was promised; each byte is copied a constant number of times on average.
 */
export class GrowingBytes {
  readonly #limit: number;
  #buffer: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** `limit`: how many bytes there can be in the end; more throw RangeError. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many bytes have come. */
  get length(): number {
    return this.#length;
  }

  /** Adds a copy of `bytes`. */
  append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#limit) throw new RangeError(`more than ${this.#limit} bytes`);
    if (length > this.#buffer.length) {
      const grown = new Uint8Array(Math.min(Math.max(length, 2 * this.#buffer.length), this.#limit));
      grown.set(this.#buffer.subarray(0, this.#length));
      this.#buffer = grown;
    }
    this.#buffer.set(bytes, this.#length);
    this.#length = length;
  }

  /** All bytes that have come; it is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = new Uint8Array(0);
    this.#length = 0;
    return taken;
  }
}
