import { PalyraError } from "../../identity/palyra_error.ts";

/** Reads all there is, up to `maxBytes`; throws `invalid_input` naming `what` when there is more. */
export async function readBounded(
  source: { read(buffer: Uint8Array): Promise<number | null> },
  maxBytes: number,
  what: string,
): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxBytes + 1);
  let length = 0;
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- each read goes on where the one before ended
    const count = await source.read(buffer.subarray(length));
    if (count === null) return buffer.slice(0, length);
    length += count;
    if (length > maxBytes) throw new PalyraError("invalid_input", `${what} is larger than ${maxBytes} bytes.`);
  }
}
