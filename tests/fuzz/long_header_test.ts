import assert from "node:assert/strict";
import fc from "fast-check";
import { sealInitial } from "./initial_packet.ts";
import { LONG_TYPE, readLongHeader, readVarint, varint } from "./long_header.ts";

Deno.test("varint() writes the examples of RFC 9000, appendix A.1, and readVarint() reads them", () => {
  for (const [hex, value] of [["25", 37], ["7bbd", 15_293], ["9d7f3e7d", 494_878_333]] as const) {
    assert.equal(varint(value).toHex(), hex);
    assert.deepEqual(readVarint(Uint8Array.fromHex(hex), 0), { value, end: hex.length / 2 });
  }
  assert.equal(varint(37, 2).toHex(), "4025");
  assert.deepEqual(readVarint(Uint8Array.fromHex("4025"), 0)?.value, 37);
  assert.equal(readVarint(Uint8Array.fromHex("40"), 0), undefined);
});

Deno.test("readVarint() reads what varint() writes", () => {
  fc.assert(fc.property(fc.maxSafeNat().map((number) => number % 2 ** 52), (value) => {
    assert.equal(readVarint(varint(value), 0)?.value, value);
  }));
});

Deno.test("readLongHeader() finds the fields of an Initial packet", () => {
  const packet = {
    version: 1,
    destinationId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    sourceId: Uint8Array.of(9, 10),
    token: new Uint8Array(70).fill(11),
    packetNumber: 0,
    payload: new Uint8Array(100),
  };
  const header = readLongHeader(sealInitial(packet)) ?? assert.fail();
  assert.equal(header.version, 1);
  assert.equal(header.type, LONG_TYPE.initial);
  assert.deepEqual(header.destinationId.bytes, packet.destinationId);
  assert.deepEqual(header.sourceId.bytes, packet.sourceId);
  assert.deepEqual(header.token?.bytes, packet.token);
  assert.equal(readVarint(header.length?.bytes ?? assert.fail(), 0)?.value, 4 + 100 + 16);
});

Deno.test("readLongHeader() finds nothing in a short header, and never throws, whatever comes", () => {
  assert.equal(readLongHeader(Uint8Array.of(0x40, 1, 2, 3, 4, 5, 6, 7, 8)), undefined);
  const start = fc.constantFrom(0xc0, 0xd0, 0xe0, 0xf0, 0x80);
  fc.assert(fc.property(start, fc.uint8Array({ maxLength: 80 }), (first, rest) => {
    const datagram = Uint8Array.of(first, ...rest);
    const header = readLongHeader(datagram);
    if (header !== undefined) assert.ok(header.restAt <= datagram.length);
  }));
});
