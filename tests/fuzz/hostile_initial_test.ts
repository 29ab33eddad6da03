import assert from "node:assert/strict";
import { Chance } from "../harness/chance.ts";
import { readCorpus } from "./datagram_corpus.ts";
import { helloInitial, helloOf, HOSTILE_INITIAL_KINDS, hostileInitial } from "./hostile_initial.ts";
import { openInitial } from "./initial_packet.ts";

const address = {
  destinationId: new Uint8Array(20).fill(1),
  sourceId: new Uint8Array(20).fill(2),
  token: new Uint8Array(44).fill(3),
};

const [hello] = (await readCorpus()).flat().flatMap((datagram) => {
  const initial = openInitial(datagram);
  return initial === undefined ? [] : [helloOf(initial.payload) ?? []].flat();
});

Deno.test("helloOf() finds the ClientHello of a recorded handshake, and helloInitial() sends it again", () => {
  assert.ok(hello instanceof Uint8Array);
  // Handshake type 1, and the length of the rest (RFC 8446, section 4).
  assert.equal(hello[0], 1);
  assert.equal((hello[1] ?? 0) * 65_536 + (hello[2] ?? 0) * 256 + (hello[3] ?? 0), hello.length - 4);
  const opened = openInitial(helloInitial(hello, address)) ?? assert.fail();
  assert.deepEqual(helloOf(opened.payload), hello);
  assert.deepEqual(opened.token, address.token);
});

Deno.test("hostileInitial() makes packets that open, of each kind but those whose keys are others, and large enough", () => {
  const chance = new Chance(1);
  for (const kind of HOSTILE_INITIAL_KINDS) {
    for (let round = 0; round < 20; round++) {
      const packet = hostileInitial(chance, hello ?? assert.fail(), address, kind);
      const opens = openInitial(packet) !== undefined;
      // The first byte tells how long the packet number is; two of the bits that are turned over are in it.
      if (kind !== "reservedBits") assert.equal(opens, kind !== "wrongKeys", kind);
      assert.ok(kind === "notPadded" || packet.length >= 1_200, kind);
    }
  }
});
