import assert from "node:assert/strict";
import { writeBytes } from "./sync_writer.ts";

Deno.test("writeBytes() waits a full stream out, and hands back the rest when told to give up", () => {
  let refusals = 3;
  let taken = 0;
  const stream = {
    writeSync: (bytes: Uint8Array) => {
      if (taken === 2 && refusals-- > 0) throw new Deno.errors.WouldBlock("full");
      const count = Math.min(2, bytes.length);
      taken += count;
      return count;
    },
  };
  assert.equal(writeBytes(stream, new Uint8Array(5)).length, 0);
  assert.equal(taken, 5);
  taken = 0;
  refusals = 3;
  assert.equal(writeBytes(stream, new Uint8Array(5), 2).length, 3);
});

Deno.test("writeBytes() throws when the stream is closed", () => {
  const stream = {
    writeSync: () => {
      throw new Deno.errors.BrokenPipe("closed");
    },
  };
  assert.throws(() => writeBytes(stream, new Uint8Array(1)), Deno.errors.BrokenPipe);
});
