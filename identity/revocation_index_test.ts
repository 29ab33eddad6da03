import assert from "node:assert/strict";
import { newDeviceId } from "./device_id.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { type RevocationEntry, RevocationIndex } from "./revocation_index.ts";
import { unixMs } from "./unix_ms.ts";

const AT = unixMs(1_790_000_000_000);
const LOST = { reason: "lost", revokedAt: AT };
const ONE = fingerprintOf(Uint8Array.of(1));
const TWO = fingerprintOf(Uint8Array.of(2));
const DEVICE = newDeviceId();

Deno.test("RevocationIndex answers with reason and time when a device or certificate was revoked", () => {
  const index = new RevocationIndex();
  assert.ok(index.revokeFingerprint(ONE, LOST));
  assert.ok(index.revokeDevice(DEVICE, LOST));
  assert.ok(index.isRevoked(ONE));
  assert.ok(!index.isRevoked(TWO));
  assert.deepEqual(index.certificateRevocation(ONE), { kind: "certificate", fingerprint: ONE, ...LOST });
  assert.deepEqual(index.deviceRevocation(DEVICE), { kind: "device", deviceId: DEVICE, ...LOST });
  assert.equal(index.deviceRevocation(newDeviceId()), undefined);
  assert.equal(index.generation, 2);
});

Deno.test("RevocationIndex keeps the first revocation when the same is revoked again", () => {
  const index = new RevocationIndex();
  const heard: RevocationEntry[] = [];
  index.onRevoked((entry) => heard.push(entry));
  index.revokeDevice(DEVICE, LOST);
  assert.ok(!index.revokeDevice(DEVICE, { reason: "later", revokedAt: unixMs(AT + 1) }));
  assert.equal(index.deviceRevocation(DEVICE)?.reason, "lost");
  assert.equal(index.generation, 1);
  assert.equal(heard.length, 1);
});

Deno.test("RevocationIndex.onRevoked() calls within the revoking call, after the index knows, until unsubscribed", () => {
  const index = new RevocationIndex();
  const heard: [RevocationEntry, boolean][] = [];
  const stop = index.onRevoked((entry) => heard.push([entry, index.isRevoked(ONE)]));
  index.revokeFingerprint(ONE, LOST);
  assert.deepEqual(heard, [[{ kind: "certificate", fingerprint: ONE, ...LOST }, true]]);
  stop();
  stop();
  index.revokeFingerprint(TWO, LOST);
  assert.equal(heard.length, 1);
});

Deno.test("RevocationIndex.onRevoked() calls every listener when one of them throws or unsubscribes", () => {
  const index = new RevocationIndex();
  const called: string[] = [];
  index.onRevoked(() => {
    called.push("first");
    throw new Error("broken");
  });
  const stop = index.onRevoked(() => {
    called.push("second");
    stop();
  });
  index.onRevoked(() => called.push("third"));
  assert.throws(() => index.revokeFingerprint(ONE, LOST), AggregateError);
  assert.deepEqual(called, ["first", "second", "third"]);
  assert.ok(index.isRevoked(ONE));
  const entries = [{ kind: "device", deviceId: DEVICE, ...LOST }, {
    kind: "certificate",
    fingerprint: TWO,
    ...LOST,
  }] as const;
  assert.throws(() => index.load(entries), AggregateError);
  assert.ok(index.deviceRevocation(DEVICE) && index.isRevoked(TWO), "one failure does not keep the rest from loading");
});

Deno.test("RevocationIndex.load() adds what is new and tells of it when entries() of another is given", () => {
  const saved = new RevocationIndex();
  saved.revokeDevice(DEVICE, LOST);
  saved.revokeFingerprint(ONE, { ...LOST, certificateExpiresAt: unixMs(AT + 5) });
  const index = new RevocationIndex();
  index.revokeFingerprint(ONE, { reason: "first", revokedAt: AT });
  const heard: string[] = [];
  index.onRevoked((entry) => heard.push(entry.kind));
  index.load(JSON.parse(JSON.stringify(saved.entries())));
  assert.deepEqual(heard, ["device"]);
  assert.equal(index.certificateRevocation(ONE)?.reason, "first");
  assert.equal(index.deviceRevocation(DEVICE)?.reason, "lost");
});

Deno.test("RevocationIndex.forgetExpired() forgets certificates only when they have expired", () => {
  const index = new RevocationIndex();
  index.revokeDevice(DEVICE, LOST);
  index.revokeFingerprint(ONE, { ...LOST, certificateExpiresAt: AT });
  index.revokeFingerprint(TWO, LOST);
  assert.equal(index.forgetExpired(AT), 0);
  assert.equal(index.forgetExpired(unixMs(AT + 1)), 1);
  assert.ok(!index.isRevoked(ONE));
  assert.ok(index.isRevoked(TWO));
  assert.ok(index.deviceRevocation(DEVICE));
  assert.equal(index.generation, 4);
});

Deno.test("RevocationIndex.forgetDevice() lets a device pair anew and leaves its certificates revoked", () => {
  const index = new RevocationIndex();
  index.revokeDevice(DEVICE, LOST);
  index.revokeFingerprint(ONE, LOST);
  assert.ok(index.forgetDevice(DEVICE));
  assert.ok(!index.forgetDevice(DEVICE));
  assert.equal(index.deviceRevocation(DEVICE), undefined);
  assert.ok(index.isRevoked(ONE));
});
