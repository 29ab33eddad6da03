import assert from "node:assert/strict";
import { CONNECTION_ID_BYTES, destinationOf, hasLongHeader, newConnectionId } from "./connection_id.ts";
import { longHeader } from "./testing/datagram_peer.ts";

Deno.test("newConnectionId() makes another one each time", () => {
  const [one, other] = [newConnectionId(), newConnectionId()];
  assert.equal(one.length, CONNECTION_ID_BYTES);
  assert.notDeepEqual(one, other);
});

Deno.test("hasLongHeader() looks at the first bit and takes nothing at all for a short header", () => {
  assert.equal(hasLongHeader(Uint8Array.of(0x80)), true);
  assert.equal(hasLongHeader(Uint8Array.of(0x7f)), false);
  assert.equal(hasLongHeader(new Uint8Array()), false);
});

Deno.test("destinationOf() reads the connection id after the first byte of a short header", () => {
  const id = newConnectionId();
  assert.equal(destinationOf(Uint8Array.of(0x40, ...id, 1)), id.toHex());
  assert.equal(destinationOf(Uint8Array.of(0x40, ...id.subarray(1))), undefined);
  assert.equal(destinationOf(Uint8Array.of(0x40)), undefined);
  assert.equal(destinationOf(new Uint8Array()), undefined);
});

Deno.test("destinationOf() reads the connection id of a long header, whatever its length up to 20 bytes", () => {
  for (let length = 0; length <= 20; length++) {
    const destinationId = Uint8Array.from({ length }, (_, index) => index);
    const datagram = longHeader({ version: 1, type: 0, destinationId, sourceId: new Uint8Array() }, 40);
    assert.equal(destinationOf(datagram), destinationId.toHex());
  }
});

Deno.test("destinationOf() gives nothing for a long header that is cut off or has too long a connection id", () => {
  const destinationId = new Uint8Array(20).fill(7);
  const whole = longHeader({ version: 1, type: 0, destinationId, sourceId: new Uint8Array() }, 27);
  assert.equal(destinationOf(whole), destinationId.toHex());
  for (let length = 0; length < whole.length; length++) {
    if (length > 0) assert.equal(destinationOf(whole.subarray(0, length)), undefined, `length ${length}`);
  }
  const tooLong = new Uint8Array(60);
  tooLong.set([0xc0, 0, 0, 0, 1, 21]);
  assert.equal(destinationOf(tooLong), undefined);
});
