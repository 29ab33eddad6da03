import assert from "node:assert/strict";
import type { PairingRequestRecord } from "./store/pairing_record.ts";
import { deviceOf, type PairingDecision } from "./pairing_decision.ts";
import { aCode, aDevice, aPairing, NOW } from "./testing/store_records.ts";

const IN_ADVANCE: PairingDecision = { approve: true, reason: "", operator: "owner", replace: false, inAdvance: true };

Deno.test("deviceOf() keeps what a key was denied, also when its device pairs as another kind and back", () => {
  const denied = { ...aDevice(), grantedCapabilities: ["system.health"], deniedCapabilities: ["echo"] };
  const asked: PairingRequestRecord = { ...aPairing(denied, aCode().codeId), requestedCapabilities: ["echo", "more"] };
  const desktop = deviceOf({ ...asked, clientKind: "desktop" }, IN_ADVANCE, denied, NOW);
  const node = deviceOf(asked, IN_ADVANCE, desktop, NOW);
  assert.deepEqual([node.grantedCapabilities, node.deniedCapabilities], [["more"], ["echo"]]);
  const again = deviceOf(asked, IN_ADVANCE, node, NOW);
  assert.deepEqual([again.grantedCapabilities, again.deniedCapabilities], [["more"], ["echo"]]);
  const other = deviceOf({ ...asked, devicePublicKey: new Uint8Array(32) }, IN_ADVANCE, node, NOW);
  assert.deepEqual([other.grantedCapabilities, other.deniedCapabilities], [["echo", "more"], []], "another key");
});
