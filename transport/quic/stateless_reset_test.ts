import assert from "node:assert/strict";
import { CONNECTION_ID_BYTES } from "./connection_id.ts";
import { RESET_KEY_BYTES, StatelessResets } from "./stateless_reset.ts";

const KEY = new Uint8Array(RESET_KEY_BYTES).fill(7);

/** A packet with a short header, to connection id 01 01 01 …. */
function shortPacket(length: number): Uint8Array {
  const packet = new Uint8Array(length).fill(1);
  packet[0] = 0x41;
  return packet;
}

Deno.test("StatelessResets answers with the token of the connection id, in what looks like any short packet", () => {
  const resets = new StatelessResets(KEY);
  const id = new Uint8Array(CONNECTION_ID_BYTES).fill(1);
  const answer = resets.answerTo(shortPacket(100));
  assert.ok(answer);
  assert.deepEqual(answer.subarray(-16), resets.tokenOf(id));
  assert.equal((answer[0] ?? 0) & 0xc0, 0x40);
  assert.notDeepEqual(resets.answerTo(shortPacket(100))?.subarray(0, 16), answer.subarray(0, 16));
  assert.notDeepEqual(new StatelessResets(KEY.map(() => 8)).tokenOf(id), resets.tokenOf(id));
});

Deno.test("StatelessResets answers with less than it was sent, and not at all where a reset would not fit", () => {
  const resets = new StatelessResets(KEY);
  for (let length = 0; length < 60; length++) {
    const answer = resets.answerTo(shortPacket(length));
    if (answer === undefined) assert.ok(length < 22);
    else assert.ok(answer.length < length);
  }
  const long = shortPacket(100);
  long[0] = 0xc1;
  assert.equal(resets.answerTo(long), undefined);
});
