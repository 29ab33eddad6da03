import assert from "node:assert/strict";
import { statusText } from "./request_status_line.ts";

Deno.test("statusText() tells state, time and progress in one line that fits and obeys no node", () => {
  assert.equal(statusText("queued", 1_234, "", 80), "queued · 1.2 s");
  assert.equal(statusText("awaiting_local_mediation", 61_500, "", 80), "awaiting local mediation · 1 min 1 s");
  assert.equal(statusText("running", 0, `{"done":3}`, 80), `running · 0.0 s · {"done":3}`);
  assert.equal(statusText("running", 0, "a\n\u001b[2Jb", 80), "running · 0.0 s · a\\n\\u{1b}[2Jb");
  assert.equal(statusText("running", 0, "x".repeat(100), 24), "running · 0.0 s · xxxxx…");
});
