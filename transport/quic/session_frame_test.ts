import assert from "node:assert/strict";
import fc from "fast-check";
import { PalyraError } from "../../identity/palyra_error.ts";
import { FrameReader } from "./frame_reader.ts";
import { SESSION_END_FRAME, sessionFrames, SessionMessageReader } from "./session_frame.ts";

const MAX_MESSAGE = 5_000;

/** The payloads of whole frames. */
function payloads(frames: readonly Uint8Array[], maxFrameBytes: number): Uint8Array[] {
  const reader = new FrameReader(maxFrameBytes);
  return frames.flatMap((frame) => reader.push(frame));
}

function refuses(code: string, ...frames: readonly (readonly number[])[]): void {
  const reader = new SessionMessageReader(MAX_MESSAGE);
  const last = frames.at(-1) ?? assert.fail();
  for (const frame of frames.slice(0, -1)) reader.push(Uint8Array.from(frame));
  assert.throws(
    () => reader.push(Uint8Array.from(last)),
    (thrown) => thrown instanceof PalyraError && thrown.code === code,
    `${last}`,
  );
}

Deno.test("sessionFrames() makes one array of header, flag and message when the message fits into a frame", () => {
  assert.deepEqual(sessionFrames(Uint8Array.of(7, 8), 3).map((frame) => frame.toHex()), ["00000003000708"]);
  assert.deepEqual(sessionFrames(new Uint8Array(0), 3).map((frame) => frame.toHex()), ["0000000100"]);
});

Deno.test("sessionFrames() splits a longer message and marks all pieces but the last", () => {
  const frames = sessionFrames(Uint8Array.of(1, 2, 3, 4, 5), 3).map((frame) => frame.toHex());
  assert.deepEqual(frames, ["00000003010102", "00000003010304", "000000020005"]);
});

Deno.test("sessionFrames() throws when a frame has no room for a piece", () => {
  assert.throws(() => sessionFrames(Uint8Array.of(1), 1), RangeError);
});

Deno.test("SessionMessageReader.push() gives each message that sessionFrames() made, and then the end", () => {
  const message = fc.uint8Array({ maxLength: MAX_MESSAGE });
  const maxFrameBytes = fc.integer({ min: 2, max: 600 });
  fc.assert(fc.property(fc.array(message, { maxLength: 5 }), maxFrameBytes, (messages, limit) => {
    const reader = new SessionMessageReader(MAX_MESSAGE);
    const frames = messages.flatMap((each) => sessionFrames(each, limit));
    const seen = payloads([...frames, SESSION_END_FRAME], limit).map((payload) => reader.push(payload));
    assert.deepEqual(seen.filter((each) => each !== undefined), [...messages, "end"]);
  }));
});

Deno.test("SessionMessageReader.push() gives a view on the payload when the message came in one piece", () => {
  const payload = Uint8Array.of(0, 1, 2);
  const message = new SessionMessageReader(MAX_MESSAGE).push(payload);
  assert.ok(message instanceof Uint8Array && message.buffer === payload.buffer);
});

Deno.test("SessionMessageReader.push() refuses a message over the limit at the piece that is too much", () => {
  refuses("message_too_large", [0, ...new Uint8Array(MAX_MESSAGE + 1)]);
  refuses("message_too_large", [1, ...new Uint8Array(MAX_MESSAGE)], [0, 1]);
  const reader = new SessionMessageReader(MAX_MESSAGE);
  reader.push(Uint8Array.from([1, ...new Uint8Array(MAX_MESSAGE)]));
  assert.deepEqual(reader.push(Uint8Array.of(0)), new Uint8Array(MAX_MESSAGE));
});

Deno.test("SessionMessageReader.push() refuses what makes no sense where it comes", () => {
  refuses("protocol_mismatch", []);
  refuses("protocol_mismatch", [3]);
  refuses("protocol_mismatch", [1]);
  refuses("protocol_mismatch", [2, 0]);
  refuses("protocol_mismatch", [1, 5], [2]);
  refuses("protocol_mismatch", [2], [2]);
  refuses("protocol_mismatch", [2], [0, 1]);
});

Deno.test("SessionMessageReader.push() throws nothing but a PalyraError, whatever comes", () => {
  const flag = fc.constantFrom(0, 1, 1, 1, 2, 3, 255);
  const frame = fc.tuple(flag, fc.uint8Array({ maxLength: 2_000 })).map(([first, rest]) =>
    Uint8Array.from([first, ...rest])
  );
  fc.assert(fc.property(fc.array(fc.oneof(frame, fc.constant(new Uint8Array(0))), { maxLength: 20 }), (all) => {
    const reader = new SessionMessageReader(MAX_MESSAGE);
    for (const payload of all) {
      try {
        const message = reader.push(payload);
        assert.ok(message === undefined || message === "end" || message.length <= MAX_MESSAGE);
      } catch (thrown) {
        if (!(thrown instanceof PalyraError)) throw thrown;
      }
    }
  }));
});
