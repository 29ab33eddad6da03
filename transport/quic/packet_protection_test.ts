import assert from "node:assert/strict";
import { packetKeys, protectPacket } from "./packet_protection.ts";

/** The client's secret of RFC 9001, appendix A.1. */
const CLIENT_SECRET = Uint8Array.fromHex("c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea");

/** The frames of RFC 9001, appendix A.2, without the padding. */
const CLIENT_HELLO = Uint8Array.fromHex(
  "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c0000000" +
    "10000e00000b6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e0005000501000000000033" +
    "00260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e040305" +
    "0306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff08011001048000" +
    "75300901100f088394c8f03e51570806048000ffff",
);

Deno.test("packetKeys() makes the keys of RFC 9001, appendix A.1", () => {
  const keys = packetKeys(CLIENT_SECRET);
  assert.equal(keys.key.toHex(), "1f369613dd76d5467730efcbe3b1a22d");
  assert.equal(keys.iv.toHex(), "fa044b2f42a3fd3b46fb255c");
  assert.equal(keys.headerKey.toHex(), "9f50449e04a0e810283a1e9933adedd2");
});

Deno.test("protectPacket() makes the packet of RFC 9001, appendix A.2", () => {
  const header = Uint8Array.fromHex("c300000001088394c8f03e5157080000449e00000002");
  const payload = new Uint8Array(1_162);
  payload.set(CLIENT_HELLO);
  const packet = protectPacket(header, payload, packetKeys(CLIENT_SECRET));
  assert.equal(packet.length, 1_200);
  assert.equal(packet.subarray(0, 22).toHex(), "c000000001088394c8f03e5157080000449e7b9aec34");
  assert.equal(packet.subarray(-16).toHex(), "e221af44860018ab0856972e194cd934");
});
