import assert from "node:assert/strict";
import {
  type CapabilityGrant,
  changedGrant,
  grantAtPairing,
  grantRefusal,
  isGranted,
  MAX_GRANTED_NAMES,
  pendingCapabilities,
} from "./capability_grant.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";
import { isError } from "./testing/pairing_bench.ts";
import { aDevice } from "./testing/store_records.ts";

const grantOf = (granted: readonly string[], denied: readonly string[] = []): CapabilityGrant => ({
  grantedCapabilities: granted,
  deniedCapabilities: denied,
});

function declared(name: string, available = true): DeclaredCapability {
  return {
    name,
    available,
    version: "1.0.0",
    inputSchemaJson: "",
    outputSchemaJson: "",
    idempotent: false,
    requiresLocalMediation: false,
    unavailableReason: "",
  };
}

Deno.test("isGranted() and grantRefusal() let deny win, and name the cure", () => {
  const device = { ...aDevice(), grantedCapabilities: ["echo", "both"], deniedCapabilities: ["both", "never"] };
  assert.deepEqual(["echo", "both", "never", "other"].map((name) => isGranted(device, name)), [
    true,
    false,
    false,
    false,
  ]);
  assert.equal(grantRefusal(device, "echo"), undefined);
  const cure = (name: string) => new RegExp(`palyrad devices grant ${device.deviceId} ${name}`);
  for (const [name, code] of [["both", "capability_denied"], ["never", "capability_denied"]] as const) {
    assert.ok(isError(code, cure(name))(grantRefusal(device, name)), name);
  }
  assert.ok(isError("capability_not_granted", cure("other"))(grantRefusal(device, "other")));
});

Deno.test("pendingCapabilities() has what the node offers and nobody has decided about", () => {
  const offered = [declared("echo"), declared("new"), declared("denied"), declared("asleep", false)];
  assert.deepEqual(pendingCapabilities(grantOf(["echo"], ["denied"]), offered), ["new"]);
});

Deno.test("grantAtPairing() grants what was asked for and approved, and no more", () => {
  const pairing = { requested: ["a", "b", "c"], earlier: undefined, only: undefined, inAdvance: false };
  assert.deepEqual(grantAtPairing(pairing), grantOf(["a", "b", "c"]));
  assert.deepEqual(grantAtPairing({ ...pairing, inAdvance: true }), grantOf(["a", "b", "c"]));
  assert.deepEqual(grantAtPairing({ ...pairing, only: ["c", "a"] }), grantOf(["a", "c"]));
  assert.deepEqual(grantAtPairing({ ...pairing, only: [] }), grantOf([]));
  assert.throws(() => grantAtPairing({ ...pairing, only: ["d"] }), isError("invalid_argument", /ask for d.*a, b, c/));
  assert.throws(() => grantAtPairing({ ...pairing, only: ["A"] }), isError("invalid_argument", /lower case/));
});

Deno.test("grantAtPairing() keeps what a known device was denied, unless the operator names it", () => {
  const pairing = { requested: ["a", "b"], earlier: grantOf(["a"], ["b", "x"]), only: undefined, inAdvance: false };
  assert.deepEqual(grantAtPairing(pairing), grantOf(["a"], ["b", "x"]));
  assert.deepEqual(grantAtPairing({ ...pairing, only: ["b"] }), grantOf(["b"], ["x"]));
});

Deno.test("grantAtPairing() gives a known device nothing new by a code that was approved in advance", () => {
  const earlier = grantOf(["a"], ["x"]);
  const pairing = { requested: ["a", "b", "x"], earlier, only: undefined, inAdvance: true };
  assert.deepEqual(grantAtPairing(pairing), earlier);
});

Deno.test("changedGrant() moves names between granted and denied, each once", () => {
  const before = grantOf(["a", "b"], ["c"]);
  assert.deepEqual(changedGrant(before, { grant: ["c", "d", "d", "a"], deny: [] }), grantOf(["a", "b", "c", "d"], []));
  assert.deepEqual(changedGrant(before, { grant: [], deny: ["a", "c", "e"] }), grantOf(["b"], ["c", "a", "e"]));
});

const WRONG: [what: string, change: { grant?: string[]; deny?: string[] }, about: RegExp][] = [
  ["nothing", {}, /at least one/],
  ["a name on both sides", { grant: ["a"], deny: ["a"] }, /a cannot be granted and denied/],
  ["a name in another case", { grant: ["Echo"] }, /lower case/],
  ["a name that is none", { deny: ["a b"] }, /looks like/],
  ["a name that is too long", { deny: ["a".repeat(65)] }, /looks like/],
  ["more than fits", { deny: Array.from({ length: MAX_GRANTED_NAMES + 1 }, (_, index) => `c${index}`) }, /at most/],
];

for (const [what, { grant = [], deny = [] }, about] of WRONG) {
  Deno.test(`changedGrant() refuses ${what}`, () => {
    assert.throws(() => changedGrant(grantOf([]), { grant, deny }), isError("invalid_argument", about));
  });
}
