import assert from "node:assert/strict";
import { clientInitialKeys, openInitial, sealInitial } from "./initial_packet.ts";

Deno.test("clientInitialKeys() gives the keys of RFC 9001, appendix A.1", () => {
  const { key, iv, headerKey } = clientInitialKeys(Uint8Array.fromHex("8394c8f03e515708"));
  assert.equal(key.toHex(), "1f369613dd76d5467730efcbe3b1a22d");
  assert.equal(iv.toHex(), "fa044b2f42a3fd3b46fb255c");
  assert.equal(headerKey.toHex(), "9f50449e04a0e810283a1e9933adedd2");
});

Deno.test("sealInitial() makes the packet of RFC 9001, appendix A.2, as far as the same ClientHello goes", () => {
  const payload = new Uint8Array(1_162);
  payload.set(Uint8Array.fromHex("060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e868"));
  const packet = sealInitial({
    version: 1,
    destinationId: Uint8Array.fromHex("8394c8f03e515708"),
    sourceId: new Uint8Array(0),
    token: new Uint8Array(0),
    packetNumber: 2,
    payload,
  });
  assert.equal(packet.length, 1_200);
  assert.equal(packet.subarray(0, 22).toHex(), "c000000001088394c8f03e5157080000449e7b9aec34");
  assert.equal(packet.subarray(22, 54).toHex(), "d1b1c98dd7689fb8ec11d242b123dc9bd8bab936b47d92ec356c0bab7df5976d");
});

Deno.test("openInitial() reads what sealInitial() writes, and nothing that was changed on the way", () => {
  const packet = {
    version: 1,
    destinationId: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    sourceId: Uint8Array.of(9),
    token: Uint8Array.of(10, 11),
    packetNumber: 70_000,
    payload: new Uint8Array(1_170).fill(1),
  };
  const sealed = sealInitial(packet);
  assert.deepEqual(openInitial(sealed), packet);
  for (const at of [0, 6, 15, 22, 100, sealed.length - 1]) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(openInitial(changed), undefined, `${at}`);
  }
  assert.equal(openInitial(sealed.subarray(0, 30)), undefined);
});
