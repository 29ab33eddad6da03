import assert from "node:assert/strict";
import { encodeFrame, FRAME_HEADER_BYTES, newFrame } from "./frame_writer.ts";

Deno.test("encodeFrame() writes the payload's length as u32, big-endian, and then the payload", () => {
  assert.equal(encodeFrame(new Uint8Array(0)).toHex(), "00000000");
  assert.equal(encodeFrame(Uint8Array.of(0xab, 0xcd)).toHex(), "00000002abcd");
  assert.equal(encodeFrame(new Uint8Array(0x80102)).subarray(0, FRAME_HEADER_BYTES).toHex(), "00080102");
});

Deno.test("newFrame() leaves room for the payload behind the header", () => {
  assert.equal(newFrame(3).toHex(), "00000003000000");
});
