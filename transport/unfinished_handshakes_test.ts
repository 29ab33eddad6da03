import assert from "node:assert/strict";
import type { PeerSource } from "./peer_source.ts";
import { UnfinishedHandshakes } from "./unfinished_handshakes.ts";

const LOCAL: PeerSource = { key: "local", local: true };

function remote(key: string): PeerSource {
  return { key, local: false };
}

Deno.test("UnfinishedHandshakes refuses remote ones over the bound of their source and of all", () => {
  const displaced: number[] = [];
  const handshakes = new UnfinishedHandshakes<number>({ max: 3, maxPerSource: 2, maxLocal: 1 }, (each) => {
    displaced.push(each);
  });
  assert.equal(handshakes.begin(1, remote("a")), true);
  assert.equal(handshakes.begin(2, remote("a")), true);
  assert.equal(handshakes.begin(3, remote("a")), false);
  assert.equal(handshakes.begin(4, remote("b")), true);
  assert.equal(handshakes.begin(5, remote("c")), false);
  // One that had no place gives none back, and one that had gives it back once.
  handshakes.end(3);
  handshakes.end(1);
  handshakes.end(1);
  assert.equal(handshakes.begin(6, remote("c")), true);
  assert.equal(handshakes.begin(7, remote("d")), false);
  assert.deepEqual(displaced, []);
});

Deno.test("UnfinishedHandshakes gives the place of the oldest local one to a new one, and no remote place", () => {
  const displaced: number[] = [];
  const handshakes = new UnfinishedHandshakes<number>({ max: 1, maxPerSource: 1, maxLocal: 2 }, (each) => {
    displaced.push(each);
  });
  assert.equal(handshakes.begin(1, remote("a")), true);
  for (const each of [2, 3, 4]) assert.equal(handshakes.begin(each, LOCAL), true);
  assert.deepEqual(displaced, [2]);
  handshakes.end(2);
  handshakes.end(3);
  assert.equal(handshakes.begin(5, LOCAL), true);
  assert.deepEqual(displaced, [2]);
  assert.equal(handshakes.begin(6, LOCAL), true);
  assert.deepEqual(displaced, [2, 4]);
  assert.equal(handshakes.begin(7, remote("b")), false);
});
