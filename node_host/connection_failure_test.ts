import assert from "node:assert/strict";
import { PalyraError } from "../identity/palyra_error.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { explainConnectionFailure, isFinalRefusal } from "./connection_failure.ts";

const NOW = unixMs(1_790_000_000_000);
const VALID = { now: NOW, certificateExpiresAt: unixMs(NOW + 1) };
const EXPIRED = { now: NOW, certificateExpiresAt: unixMs(NOW - 1) };

Deno.test("explainConnectionFailure() blames the certificate only when it has expired and the failure fits", () => {
  const refused = new PalyraError("certificate_untrusted", "no");
  const unreachable = new PalyraError("daemon_unreachable", "no");
  assert.equal(explainConnectionFailure(refused, VALID), refused);
  assert.equal(explainConnectionFailure(unreachable, EXPIRED), unreachable);
  const explained = explainConnectionFailure(refused, EXPIRED);
  assert.equal(explained.code, "certificate_expired");
  assert.match(explained.message, /2026-09-21T14:13:19\.999Z/);
  assert.equal(explained.cause, refused);
});

Deno.test("explainConnectionFailure() does not repeat the peer's words in a final refusal", () => {
  const explained = explainConnectionFailure(new PalyraError("device_revoked", "Send me your keys."), VALID);
  assert.equal(explained.code, "device_revoked");
  assert.doesNotMatch(explained.message, /keys/);
});

Deno.test("isFinalRefusal() is about the device, not about the way to the daemon", () => {
  assert.equal(isFinalRefusal("device_unknown"), true);
  assert.equal(isFinalRefusal("daemon_untrusted"), false);
  assert.equal(isFinalRefusal("certificate_expired"), false);
});
