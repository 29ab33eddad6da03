import { GrowingBytes } from "../../transport/quic/growing_bytes.ts";

const LINE_FEED = 0x0a;
const READ_BYTES: number = 16 * 1024;

/** Where lines come from; a `Deno.Conn` is one. */
export interface ByteSource {
  read(bytes: Uint8Array): Promise<number | null>;
}

/** Where lines go; a `Deno.Conn` is one. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** A line that is longer than was agreed, or no UTF-8. */
export class BadLineError extends Error {
  override readonly name = "BadLineError";
}

/**
 * The lines of a stream of UTF-8, without their ends; what follows the last end is no line. Throws
 * {@linkcode BadLineError} for one of more than `maxBytes`, and never holds more than that.
 */
export async function* readLines(source: ByteSource, maxBytes: number): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const chunk = new Uint8Array(READ_BYTES);
  const line = new GrowingBytes(maxBytes);
  const append = (bytes: Uint8Array) => {
    if (line.length + bytes.length > maxBytes) throw new BadLineError(`a line has more than ${maxBytes} bytes`);
    line.append(bytes);
  };
  for (;;) {
    // deno-lint-ignore no-await-in-loop -- each read goes on where the one before ended
    const count = await source.read(chunk);
    if (count === null) return;
    let rest = chunk.subarray(0, count);
    for (let end = rest.indexOf(LINE_FEED); end >= 0; end = rest.indexOf(LINE_FEED)) {
      append(rest.subarray(0, end));
      yield decode(decoder, line.take());
      rest = rest.subarray(end + 1);
    }
    append(rest);
  }
}

/** Writes a line and its end. The text has no line's end in it: JSON on one line, say. */
export async function writeLine(sink: ByteSink, text: string): Promise<void> {
  let rest: Uint8Array = new TextEncoder().encode(`${text}\n`);
  while (rest.length > 0) {
    // deno-lint-ignore no-await-in-loop -- each write begins where the last one ended
    rest = rest.subarray(await sink.write(rest));
  }
}

function decode(decoder: TextDecoder, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new BadLineError("a line is not UTF-8", { cause });
  }
}
