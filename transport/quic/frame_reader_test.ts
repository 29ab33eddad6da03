import assert from "node:assert/strict";
import fc from "fast-check";
import { PalyraError } from "../../identity/palyra_error.ts";
import { FrameReader } from "./frame_reader.ts";
import { encodeFrame } from "./frame_writer.ts";

const LIMIT = 1_000;

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** The pieces between `cuts`, each in one buffer that every piece overwrites. */
function* pieces(bytes: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  const shared = new Uint8Array(bytes.length);
  let from = 0;
  for (const to of [...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    shared.fill(0xee);
    shared.set(bytes.subarray(from, to));
    yield shared.subarray(0, to - from);
    from = to;
  }
}

const isTooLarge = (thrown: unknown) => thrown instanceof PalyraError && thrown.code === "message_too_large";

Deno.test("FrameReader.push() gives the same payloads however the bytes are cut", () => {
  const payload = fc.uint8Array({ maxLength: LIMIT });
  const cuts = fc.array(fc.nat(), { maxLength: 40 });
  fc.assert(fc.property(fc.array(payload, { maxLength: 8 }), cuts, (payloads, where) => {
    const reader = new FrameReader(LIMIT);
    const seen: Uint8Array[] = [];
    for (const piece of pieces(concat(payloads.map(encodeFrame)), where)) seen.push(...reader.push(piece));
    assert.deepEqual(seen, payloads);
    assert.equal(reader.pendingBytes, 0);
  }));
});

Deno.test("FrameReader.push() gives a frame without a payload as soon as its header is there", () => {
  const reader = new FrameReader(LIMIT);
  assert.deepEqual(reader.push(Uint8Array.of(0, 0, 0)), []);
  assert.deepEqual(reader.push(Uint8Array.of(0, 0, 0, 0, 0)), [new Uint8Array(0), new Uint8Array(0)]);
});

Deno.test("FrameReader.pendingBytes counts what is held of an unfinished frame", () => {
  const reader = new FrameReader(LIMIT);
  reader.push(encodeFrame(Uint8Array.of(1, 2, 3)));
  assert.equal(reader.pendingBytes, 0);
  reader.push(Uint8Array.of(0, 0));
  assert.equal(reader.pendingBytes, 2);
  reader.push(Uint8Array.of(3, 0xe8, 7, 7));
  assert.equal(reader.pendingBytes, 6);
});

Deno.test("FrameReader.push() holds only what has come when a header promises more", () => {
  const readers = Array.from({ length: 200 }, () => new FrameReader(0x7fff_ffff));
  const before = Deno.memoryUsage();
  for (const reader of readers) reader.push(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1));
  const after = Deno.memoryUsage();
  assert.ok(after.external - before.external < 16 * 1024 * 1024);
  assert.equal(readers[0]?.pendingBytes, 5);
});

Deno.test("FrameReader.push() takes a frame of the limit, and refuses at the header of a longer one", () => {
  const reader = new FrameReader(LIMIT);
  assert.equal(reader.push(encodeFrame(new Uint8Array(LIMIT)))[0]?.length, LIMIT);
  // The last byte of the header decides; nothing of the payload has come yet.
  reader.push(Uint8Array.of(0, 0, 3));
  assert.throws(() => reader.push(Uint8Array.of(0xe9)), isTooLarge);
  assert.equal(reader.pendingBytes, 0);
  assert.throws(() => reader.push(encodeFrame(Uint8Array.of(1))), isTooLarge);
  assert.throws(() => new FrameReader(LIMIT).push(new Uint8Array(4).fill(0xff)), isTooLarge);
});

Deno.test("FrameReader.push() throws nothing but message_too_large, whatever comes", () => {
  const start = fc.constantFrom(Uint8Array.of(), Uint8Array.of(0, 0), Uint8Array.of(0, 0, 0, 2));
  const cuts = fc.array(fc.nat(), { maxLength: 10 });
  fc.assert(fc.property(start, fc.uint8Array({ maxLength: 5_000 }), cuts, (first, rest, where) => {
    const reader = new FrameReader(LIMIT);
    for (const piece of pieces(concat([first, rest]), where)) {
      try {
        assert.ok(reader.push(piece).every((payload) => payload.length <= LIMIT));
        assert.ok(reader.pendingBytes <= 4 + LIMIT);
      } catch (thrown) {
        if (!isTooLarge(thrown)) throw thrown;
      }
    }
  }));
});
