import assert from "node:assert/strict";
import { PeerStreamIds } from "./peer_stream_ids.ts";

Deno.test("PeerStreamIds takes each number once, in order and out of order", () => {
  const ids = new PeerStreamIds();
  const order = [0, 12, 4, 8, 16, 0, 12, 4, 8, 16];
  assert.deepEqual(order.map((id) => ids.isNew(id)), [...Array(5).fill(true), ...Array(5).fill(false)]);
});

Deno.test("PeerStreamIds keeps the four types of streams apart", () => {
  const ids = new PeerStreamIds();
  for (const type of [0, 1, 2, 3]) {
    assert.equal(ids.isNew(8 + type), true);
    assert.equal(ids.isNew(type), true);
    assert.equal(ids.isNew(8 + type), false);
    assert.equal(ids.isNew(4 + type), true);
    assert.equal(ids.isNew(4 + type), false);
  }
});

Deno.test("PeerStreamIds takes each of many shuffled numbers once", () => {
  const ids = new PeerStreamIds();
  // Every number below 1,009 once, in an order far from theirs: 7 is prime to 1,009.
  const shuffled = Array.from({ length: 1_009 }, (_, index) => index * 7 % 1_009 * 4);
  assert.equal(shuffled.filter((id) => ids.isNew(id)).length, 1_009);
  assert.equal(shuffled.filter((id) => ids.isNew(id)).length, 0);
});
