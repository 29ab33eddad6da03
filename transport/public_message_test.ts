import assert from "node:assert/strict";
import { isPrivateReason, publicMessage } from "./public_message.ts";

Deno.test("publicMessage() keeps what concerns the peer and replaces what concerns this machine alone", () => {
  const message = "/var/lib/palyra is what this is about.";
  assert.equal(publicMessage({ code: "queue_full", message }), message);
  assert.ok(!isPrivateReason("queue_full"));
  const damaged = publicMessage({ code: "state_damaged", message });
  assert.match(damaged, /damaged; its log has the details/);
  assert.ok(!damaged.includes("/var"));
  assert.ok(isPrivateReason("state_damaged"));
});
