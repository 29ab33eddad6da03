/** A stream that takes bytes at once; `Deno.stdout` and `Deno.stderr` are such. */
export interface SyncWriter {
  /** Writes some of the bytes; returns how many. */
  writeSync(bytes: Uint8Array): number;
}

const PAUSE_MS = 5;
// Nobody ever wakes it: waiting on it is a pause that does not return to the event loop.
const NEVER_NOTIFIED = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes bytes before it returns. A stream that another process made non-blocking may be full: that is waited out in
 * pauses of 5 ms, as often as told (without end by default, as a blocking stream would).
 *
 * @returns what the stream did not take, empty when it took all.
 * @throws the stream's error when it is closed.
 */
export function writeBytes(writer: SyncWriter, bytes: Uint8Array, mostPauses = Infinity): Uint8Array {
  let rest = bytes;
  let pauses = 0;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writer.writeSync(rest));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      if (pauses >= mostPauses) return rest;
      pauses += 1;
      Atomics.wait(NEVER_NOTIFIED, 0, 0, PAUSE_MS);
    }
  }
  return rest;
}
