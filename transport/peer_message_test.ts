import assert from "node:assert/strict";
import { peerMessage } from "./peer_message.ts";

Deno.test("peerMessage() takes out what steers a terminal and bounds the length", () => {
  assert.equal(peerMessage("Renew \u001b[31mit\u202e\r\n\u0000 – später."), "Renew  [31mit     – später.");
  assert.equal(peerMessage("x".repeat(5_000)).length, 1_024);
});
