import assert from "node:assert/strict";
import { newDeviceId } from "../identity/device_id.ts";
import { PendingNotices } from "./pending_notices.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";

const GRANT = { grantedCapabilities: ["echo"], deniedCapabilities: ["never"] };

function declared(...names: string[]): DeclaredCapability[] {
  return names.map((name) => ({
    name,
    available: true,
    version: "1.0.0",
    inputSchemaJson: "",
    outputSchemaJson: "",
    idempotent: false,
    requiresLocalMediation: false,
    unavailableReason: "",
  }));
}

Deno.test("PendingNotices has each name that becomes pending once, however often a node declares it anew", () => {
  const notices = new PendingNotices();
  const device = newDeviceId();
  const both = declared("echo", "never", "one", "two");
  assert.deepEqual(notices.untold(device, GRANT, [], both), ["one", "two"]);
  // Not told yet, as the transaction failed.
  assert.deepEqual(notices.untold(device, GRANT, [], both), ["one", "two"]);
  notices.tell(device, ["one", "two"]);
  assert.deepEqual(notices.untold(device, GRANT, [], both), []);
  assert.deepEqual(notices.untold(device, GRANT, declared("echo"), declared("one", "three")), ["three"]);
  assert.deepEqual(notices.untold(newDeviceId(), GRANT, [], declared("one")), ["one"], "devices do not share");
  // After a restart of the daemon the stored declaration tells what was known.
  assert.deepEqual(new PendingNotices().untold(device, GRANT, both, both), []);
  notices.forget(device);
  assert.deepEqual(notices.untold(device, GRANT, [], declared("one")), ["one"]);
});

Deno.test("PendingNotices listens no more to a node that invents ever more names", () => {
  const notices = new PendingNotices();
  const device = newDeviceId();
  let told = 0;
  for (let hello = 0; hello < 10; hello++) {
    const names = Array.from({ length: 64 }, (_, index) => `c${hello * 64 + index}`);
    const fresh = notices.untold(device, GRANT, [], declared(...names));
    notices.tell(device, fresh);
    told += fresh.length;
  }
  assert.equal(told, 256);
});
