import assert from "node:assert/strict";
import { LATE_MS, PeerAddress } from "./peer_address.ts";

const HOME = { host: "192.0.2.1", port: 1_000 };
const NEXT = { host: "192.0.2.1", port: 2_000 };
const THIRD = { host: "198.51.100.3", port: 3_000 };

function scene() {
  let now = 1_000;
  const address = new PeerAddress(HOME, () => now);
  return { address, pass: (ms: number) => now += ms };
}

Deno.test("PeerAddress is proven at first, and nothing is counted there", () => {
  const { address } = scene();
  assert.deepEqual([address.present, address.proven, address.isProven], [HOME, HOME, true]);
  assert.equal(address.heard({ ...HOME }, 30), undefined);
  address.sent(1_000_000);
  assert.equal(address.allowance, Infinity);
});

Deno.test("PeerAddress moves at once, and gives three times what has come from there until it is proven", () => {
  const { address } = scene();
  assert.equal(address.heard(NEXT, 100), "moved");
  assert.deepEqual([address.present, address.proven, address.isProven], [NEXT, HOME, false]);
  assert.equal(address.allowance, 300);
  address.sent(250);
  assert.equal(address.allowance, 50);
  assert.equal(address.heard(NEXT, 10), undefined);
  assert.equal(address.allowance, 80);
  address.sent(80);
  assert.equal(address.allowance, 0);
  address.prove();
  assert.deepEqual([address.present, address.proven, address.isProven], [NEXT, NEXT, true]);
  assert.equal(address.allowance, Infinity);
});

Deno.test("PeerAddress does not go back for what is late from the address it has left", () => {
  const { address, pass } = scene();
  address.heard(NEXT, 100);
  pass(LATE_MS - 1);
  assert.equal(address.heard(HOME, 100), undefined);
  assert.deepEqual(address.present, NEXT);
  // It says nothing for the new one either.
  assert.equal(address.allowance, 300);
  address.prove();
  assert.equal(address.heard(HOME, 100), undefined);
  assert.deepEqual(address.present, NEXT);
});

Deno.test("PeerAddress goes back to the proven address when that is heard again, and needs no proof", () => {
  const { address, pass } = scene();
  address.heard(NEXT, 100);
  pass(LATE_MS);
  assert.equal(address.heard(HOME, 100), "returned");
  assert.deepEqual([address.present, address.isProven], [HOME, true]);
  // What it came back from may be late now.
  assert.equal(address.heard(NEXT, 100), undefined);
  pass(LATE_MS);
  assert.equal(address.heard(NEXT, 50), "moved");
  assert.equal(address.allowance, 150);
});

Deno.test("PeerAddress must prove an address again that it had left for another", () => {
  const { address, pass } = scene();
  address.heard(NEXT, 100);
  address.prove();
  pass(LATE_MS);
  assert.equal(address.heard(HOME, 100), "moved");
  assert.deepEqual([address.present, address.proven, address.isProven], [HOME, NEXT, false]);
});

Deno.test("PeerAddress follows a second change only when the first address has fallen silent", () => {
  const { address, pass } = scene();
  address.heard(NEXT, 100);
  pass(LATE_MS - 1);
  address.heard(NEXT, 100);
  pass(LATE_MS - 1);
  assert.equal(address.heard(THIRD, 100), undefined);
  assert.deepEqual(address.present, NEXT);
  pass(1);
  assert.equal(address.heard(THIRD, 10), "moved");
  assert.deepEqual([address.present, address.proven], [THIRD, HOME]);
  // Nothing of what came from the first counts for the second.
  assert.equal(address.allowance, 30);
});

Deno.test("PeerAddress.giveUp() goes back to the proven address", () => {
  const { address, pass } = scene();
  address.heard(NEXT, 100);
  pass(3_000);
  address.giveUp();
  assert.deepEqual([address.present, address.proven, address.isProven], [HOME, HOME, true]);
  assert.equal(address.heard(NEXT, 100), undefined);
  address.giveUp();
  pass(LATE_MS);
  assert.equal(address.heard(NEXT, 100), "moved");
});
