import type { LogRecord, Sink } from "@logtape/logtape";
import { type SyncWriter, writeBytes } from "./sync_writer.ts";

// Of 5 ms each: a reader gets a second to catch up.
const MOST_PAUSES = 200;

/**
 * A sink that has written each line before the logging call returns, so that a crash right after loses nothing. It never
 * throws: a stream that is closed is given up. A reader of a non-blocking stream gets a second to catch up; then lines
 * are left out, and the next one that fits is preceded by `onLost`'s line with their number.
 */
export function lineSink(
  writer: SyncWriter,
  format: (record: LogRecord) => string,
  onLost: (lines: number) => string,
): Sink {
  const encoder = new TextEncoder();
  let closed = false;
  let lost = 0;
  // What a full stream took only a part of must be finished first, or two lines would run into one.
  let rest: Uint8Array = new Uint8Array();

  const flush = (bytes: Uint8Array): boolean => {
    // Once lines were left out, waiting again for each one would only stop the program as well.
    rest = writeBytes(writer, bytes, lost > 0 ? 0 : MOST_PAUSES);
    return rest.length === 0;
  };

  return (record) => {
    if (closed) return;
    try {
      const line = encoder.encode(`${format(record)}\n`);
      if (!flush(rest)) {
        lost += 1;
        return;
      }
      if (lost > 0) {
        const notice = encoder.encode(`${onLost(lost)}\n`);
        lost = 0;
        if (!flush(notice)) {
          lost = 1;
          return;
        }
      }
      flush(line);
    } catch {
      closed = true;
    }
  };
}
