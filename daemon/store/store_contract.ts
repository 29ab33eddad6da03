import assert from "node:assert/strict";
import { newDeviceId, newUlid } from "../../identity/device_id.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import type { CapabilityRequestRecord } from "./capability_request_record.ts";
import type { DeviceRecord } from "./device_record.ts";
import { aCode, aDevice, aNode, aPairing, aRequest, NOW } from "../testing/store_records.ts";
import type { PairingRequestFilter, PairingRequestRecord } from "./pairing_record.ts";
import { RECOVERIES_KEPT, type RecoveryRecord } from "./recovery_record.ts";
import type { Store } from "./store.ts";

/** A store under test: opened afresh on the same data by each `open`. */
export interface StoreUnderTest {
  open(): Promise<Store>;
  remove(): Promise<void>;
}

/** Registers the tests that every {@linkcode Store} driver must pass. */
export function storeContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (store: Store, under: StoreUnderTest) => Promise<void>) =>
    Deno.test(`${driver} ${name}`, async () => {
      const under = await setUp();
      const store = await under.open();
      try {
        await body(store, under);
      } finally {
        await store.close();
        await under.remove();
      }
    });

  test("keeps every kind of record across a restart", async (store, under) => {
    const device = aDevice();
    const certificate = {
      fingerprint: fingerprintOf(new Uint8Array([9])),
      deviceId: device.deviceId,
      issuedAt: NOW,
      expiresAt: unixMs(NOW + 1),
      pem: "pem",
      caFingerprint: fingerprintOf(new Uint8Array()),
    };
    const node = aNode(device);
    const request = aRequest(device, { idempotencyKey: "key-1" });
    const code = aCode();
    const pairing = aPairing(device, code.codeId);
    await store.transaction(async (tx) => {
      await tx.devices.put(device);
      await tx.devices.insertCertificate(certificate);
      await tx.nodes.put(node);
      await tx.requests.insert(request);
      await tx.pairing.insertCode(code);
      await tx.pairing.insertRequest(pairing);
    });
    const again = await under.open();
    try {
      await again.transaction(async (tx) => {
        assert.deepEqual(await tx.devices.get(device.deviceId), device);
        assert.deepEqual(await tx.devices.list(), [device]);
        assert.deepEqual(await tx.devices.listCertificates(), [certificate]);
        assert.deepEqual(await tx.devices.getCertificate(certificate.fingerprint), certificate);
        assert.deepEqual(await tx.nodes.get(device.deviceId), node);
        assert.deepEqual(await tx.requests.get(request.requestId), request);
        assert.deepEqual(await tx.requests.findByIdempotencyKey(device.deviceId, "key-1"), request);
        assert.deepEqual(await tx.pairing.getCode(code.codeId), code);
        assert.deepEqual(await tx.pairing.getRequest(pairing.requestId), pairing);
      });
    } finally {
      await again.close();
    }
  });

  test("keeps a fact by its name, the newest value of it", async (store) => {
    assert.equal(await store.transaction((tx) => tx.facts.get("ca_fingerprint")), undefined);
    await store.transaction((tx) => tx.facts.put("ca_fingerprint", "one"));
    await store.transaction((tx) => tx.facts.put("ca_fingerprint", "two"));
    assert.equal(await store.transaction((tx) => tx.facts.get("ca_fingerprint")), "two");
  });

  test("keeps nothing of a work that rejects, and all of its neighbours in the same turn", async (store) => {
    const [kept, dropped] = [aDevice(), aDevice()];
    const results = await Promise.allSettled([
      store.transaction((tx) => tx.devices.put(kept)),
      store.transaction(async (tx) => {
        await tx.devices.put(dropped);
        throw new Error("changed my mind");
      }),
      store.transaction((tx) => tx.nodes.put(aNode(kept))),
    ]);
    assert.deepEqual(results.map((result) => result.status), ["fulfilled", "rejected", "fulfilled"]);
    const stored = await store.transaction(async (tx) => [await tx.devices.list(), await tx.nodes.list()]);
    assert.deepEqual(stored, [[kept], [aNode(kept)]]);
  });

  test("isolates works that read and then write", async (store) => {
    const code = aCode();
    await store.transaction((tx) => tx.pairing.insertCode(code));
    // Each reads, yields, and writes what it read less one: any overlap would lose a decrement.
    await Promise.all(Array.from({ length: 5 }, () =>
      store.transaction(async (tx) => {
        const read = await tx.pairing.getCode(code.codeId);
        assert.ok(read);
        await Promise.resolve();
        await tx.pairing.setTriesLeft(code.codeId, read.triesLeft - 1);
      })));
    const left = await store.transaction(async (tx) => (await tx.pairing.getCode(code.codeId))?.triesLeft);
    assert.equal(left, 0);
  });

  test("erases a code's key when it ends, and ends it once", async (store) => {
    const code = aCode();
    await store.transaction((tx) => tx.pairing.insertCode(code));
    await store.transaction((tx) => tx.pairing.endCode(code.codeId, "spent"));
    await store.transaction((tx) => tx.pairing.endCode(code.codeId, "expired"));
    await store.transaction(async (tx) => {
      const ended = await tx.pairing.getCode(code.codeId);
      assert.equal(ended?.state, "spent");
      assert.equal(ended?.key, undefined);
      assert.deepEqual(await tx.pairing.listLiveCodes(), []);
      assert.equal((await tx.pairing.listCodes(10)).length, 1);
    });
  });

  test("keeps the newest five failed tries of a code", async (store) => {
    const code = aCode();
    await store.transaction(async (tx) => {
      await tx.pairing.insertCode(code);
      for (let index = 0; index < 7; index++) {
        // deno-lint-ignore no-await-in-loop -- in order
        await tx.pairing.insertTry({
          codeId: code.codeId,
          at: unixMs(NOW + index),
          remoteAddress: "192.0.2.1:4000",
          deviceId: "",
          reason: "pairing_proof_failed",
        });
      }
    });
    const tries = await store.transaction((tx) => tx.pairing.listTries(code.codeId));
    assert.deepEqual(tries.map((attempt) => attempt.at - NOW), [2, 3, 4, 5, 6]);
  });

  test("ends a code as spent when it is live or died of its last try, and not when it was replaced", async (store) => {
    const codes = { live: aCode(), dead: aCode(), replaced: aCode() };
    await store.transaction(async (tx) => {
      await Promise.all(Object.values(codes).map((code) => tx.pairing.insertCode(code)));
      await tx.pairing.endCode(codes.dead.codeId, "dead");
      await tx.pairing.endCode(codes.replaced.codeId, "replaced");
      await Promise.all(Object.values(codes).map((code) => tx.pairing.spendCode(code.codeId)));
    });
    const states = await store.transaction((tx) =>
      Promise.all(Object.values(codes).map(async (code) => (await tx.pairing.getCode(code.codeId))?.state))
    );
    assert.deepEqual(states, ["spent", "spent", "replaced"]);
  });

  test("finds the newest PIN whatever became of it", async (store) => {
    assert.equal(await store.transaction((tx) => tx.pairing.newestPin()), undefined);
    const [first, second] = [aCode({ method: "pin" }), aCode({ method: "pin" })];
    await store.transaction(async (tx) => {
      await tx.pairing.insertCode(first);
      await tx.pairing.insertCode(second);
      await tx.pairing.insertCode(aCode());
      await tx.pairing.endCode(second.codeId, "dead");
    });
    const newest = await store.transaction((tx) => tx.pairing.newestPin());
    assert.equal(newest?.codeId, second.codeId);
    assert.equal(newest?.state, "dead");
  });

  test("writes a decision on a pairing request and counts the pending ones", async (store) => {
    const device = aDevice();
    const pairing = aPairing(device, newUlid());
    await store.transaction((tx) => tx.pairing.insertRequest(pairing));
    assert.equal(await store.transaction((tx) => tx.pairing.countPendingRequests(NOW)), 1);
    assert.equal(await store.transaction((tx) => tx.pairing.countPendingRequests(pairing.expiresAt)), 0);
    assert.deepEqual(await store.transaction((tx) => tx.pairing.listOpenRequests(device.deviceId)), [pairing]);
    const approved: PairingRequestRecord = { ...pairing, state: "approved", decidedAt: NOW, decidedBy: "operator" };
    await store.transaction((tx) => tx.pairing.updateRequest(approved));
    await store.transaction(async (tx) => {
      assert.deepEqual(await tx.pairing.getRequest(pairing.requestId), approved);
      assert.equal(await tx.pairing.countPendingRequests(NOW), 0);
      assert.deepEqual(await tx.pairing.listRequests({ at: NOW, limit: 10 }), [approved]);
      assert.deepEqual(await tx.pairing.listOpenRequests(device.deviceId), [approved]);
      await tx.pairing.updateRequest({ ...approved, state: "rejected" });
      assert.deepEqual(await tx.pairing.listOpenRequests(device.deviceId), []);
    });
  });

  test("filters pairing requests before it limits them, and takes pending ones past their time for expired", async (store) => {
    const one = (changes: Partial<PairingRequestRecord>) => ({ ...aPairing(aDevice(), newUlid()), ...changes });
    const late = unixMs(NOW + 700_000);
    const overdue = one({ expiresAt: unixMs(NOW + 600_000) });
    const pending = one({ expiresAt: unixMs(NOW + 800_000) });
    const desktop = one({ clientKind: "desktop", state: "completed" });
    const newer = Array.from({ length: 5 }, () => one({ state: "completed" }));
    await store.transaction((tx) =>
      Promise.all([overdue, pending, desktop, ...newer].map((each) => tx.pairing.insertRequest(each)))
    );
    const ids = async (filter: Omit<PairingRequestFilter, "at" | "limit">) => {
      const found = await store.transaction((tx) => tx.pairing.listRequests({ at: late, limit: 3, ...filter }));
      return found.map((each) => each.requestId);
    };
    assert.deepEqual(await ids({ state: "expired" }), [overdue.requestId]);
    assert.deepEqual(await ids({ state: "pending_approval" }), [pending.requestId]);
    assert.deepEqual(await ids({ clientKind: "desktop" }), [desktop.requestId]);
    assert.deepEqual(await ids({ clientKind: "desktop", state: "expired" }), []);
    assert.deepEqual(await ids({ idEnd: pending.requestId.slice(-10) }), [pending.requestId]);
    assert.deepEqual(await ids({}), newer.map((each) => each.requestId).toReversed().slice(0, 3));
  });

  test("notes the first use of a certificate, and has those of each device as they were stored", async (store) => {
    const [device, other] = [aDevice(), aDevice()];
    const certificate = (owner: typeof device, number: number) => ({
      fingerprint: fingerprintOf(new Uint8Array([number])),
      deviceId: owner.deviceId,
      issuedAt: unixMs(NOW + number),
      expiresAt: unixMs(NOW + 1_000),
      pem: "pem",
      caFingerprint: fingerprintOf(new Uint8Array()),
    });
    const [first, second, third] = [certificate(device, 2), certificate(device, 1), certificate(other, 3)];
    await store.transaction(async (tx) => {
      await tx.devices.put(device);
      await tx.devices.put(other);
      await Promise.all([first, second, third].map((each) => tx.devices.insertCertificate(each)));
      await tx.devices.markCertificateUsed(first.fingerprint, unixMs(NOW + 5));
      await tx.devices.markCertificateUsed(first.fingerprint, unixMs(NOW + 6));
      assert.deepEqual(await tx.devices.certificatesOf(device.deviceId), [
        { ...first, firstUsedAt: unixMs(NOW + 5) },
        second,
      ]);
      assert.deepEqual(await tx.devices.certificatesOf(newDeviceId()), []);
    });
  });

  test("keeps the recoveries of a while and the newest in any case, for each device", async (store) => {
    const [device, other] = [aDevice(), aDevice()];
    const recovery = (owner: typeof device, number: number): RecoveryRecord => ({
      deviceId: owner.deviceId,
      at: unixMs(NOW + number),
      remoteAddress: `192.0.2.${number}`,
      fingerprint: fingerprintOf(new Uint8Array([number])),
    });
    const since = unixMs(NOW + 1_000);
    await store.transaction(async (tx) => {
      await tx.devices.put(device);
      await tx.devices.put(other);
      await tx.recoveries.enter(recovery(other, 0), since);
      for (let number = 0; number < RECOVERIES_KEPT + 4; number++) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        await tx.recoveries.enter(recovery(device, 20 + number), unixMs(NOW + 22));
      }
    });
    const numbers = (moment: UnixMs) =>
      store.transaction(async (tx) => (await tx.recoveries.list(device.deviceId, moment)).map(({ at }) => at - NOW));
    const kept = Array.from({ length: RECOVERIES_KEPT + 2 }, (_, at) => 22 + at);
    assert.deepEqual(await numbers(unixMs(0)), kept, "those of a while");
    assert.deepEqual(await numbers(since), kept.slice(-RECOVERIES_KEPT), "the newest in any case");
    await store.transaction((tx) => tx.recoveries.enter(recovery(device, 99), since));
    assert.deepEqual(await numbers(unixMs(0)), [...kept.slice(-RECOVERIES_KEPT + 1), 99]);
    await store.transaction(async (tx) => {
      assert.deepEqual(await tx.recoveries.list(other.deviceId, since), [recovery(other, 0)]);
      await tx.devices.remove(device.deviceId);
      assert.deepEqual(await tx.recoveries.list(device.deviceId, since), []);
    });
  });

  test("revokes one certificate and counts those that are valid", async (store) => {
    const device = aDevice();
    const certificates = [1, 2, 3].map((number) => ({
      fingerprint: fingerprintOf(new Uint8Array([number])),
      deviceId: device.deviceId,
      issuedAt: NOW,
      expiresAt: unixMs(NOW + number * 1_000),
      pem: "pem",
      caFingerprint: fingerprintOf(new Uint8Array()),
    }));
    const [, second] = certificates;
    assert.ok(second);
    await store.transaction(async (tx) => {
      await tx.devices.put(device);
      await Promise.all(certificates.map((each) => tx.devices.insertCertificate(each)));
      assert.equal(await tx.devices.countValidCertificates(device.deviceId, NOW), 3);
      await tx.devices.revokeCertificate(second.fingerprint, NOW, "first");
      await tx.devices.revokeCertificate(second.fingerprint, NOW, "again");
      assert.equal(await tx.devices.countValidCertificates(device.deviceId, NOW), 2);
      assert.equal(await tx.devices.countValidCertificates(device.deviceId, unixMs(NOW + 1_000)), 1);
      assert.equal(await tx.devices.countValidCertificates(newDeviceId(), NOW), 0);
      assert.equal((await tx.devices.getCertificate(second.fingerprint))?.revokedReason, "first");
    });
  });

  test("revokes the certificates of one device only, and removes a device with all that is its own", async (store) => {
    const [first, second] = [aDevice(), aDevice()];
    const certificateOf = (device: DeviceRecord) => ({
      fingerprint: fingerprintOf(new TextEncoder().encode(device.deviceId)),
      deviceId: device.deviceId,
      issuedAt: NOW,
      expiresAt: unixMs(NOW + 1),
      pem: "pem",
      caFingerprint: fingerprintOf(new Uint8Array()),
    });
    await store.transaction(async (tx) => {
      await tx.devices.put(first);
      await tx.devices.put(second);
      await tx.devices.insertCertificate(certificateOf(first));
      await tx.devices.insertCertificate(certificateOf(second));
      await tx.nodes.put(aNode(first));
      await tx.pairing.insertRequest(aPairing(first, newUlid()));
      await tx.devices.insertCertificate({
        ...certificateOf(first),
        fingerprint: fingerprintOf(new Uint8Array([7])),
        expiresAt: NOW,
      });
      const valid = await tx.devices.revokeCertificates(first.deviceId, NOW, "stolen");
      assert.deepEqual(valid, [certificateOf(first).fingerprint], "the other one had expired");
      assert.deepEqual(await tx.devices.revokeCertificates(first.deviceId, NOW, "again"), []);
    });
    const certificates = await store.transaction((tx) => tx.devices.listCertificates());
    const reasons = certificates.filter((each) => each.deviceId === first.deviceId).map((each) => each.revokedReason);
    assert.deepEqual(reasons, ["stolen", "stolen"]);
    assert.equal(certificates.find((each) => each.deviceId === second.deviceId)?.revokedAt, undefined);
    await store.transaction((tx) => tx.devices.remove(first.deviceId));
    await store.transaction(async (tx) => {
      assert.deepEqual(await tx.devices.list(), [second]);
      assert.deepEqual((await tx.devices.listCertificates()).map((each) => each.deviceId), [second.deviceId]);
      assert.deepEqual(await tx.nodes.list(), []);
      assert.deepEqual(await tx.pairing.listRequests({ at: NOW, limit: 10 }), []);
    });
  });

  test("lists what is unfinished oldest first, and everything newest first by filter", async (store) => {
    const [one, other] = [aDevice(), aDevice()];
    const first = aRequest(one);
    const second = aRequest(one, { state: "dispatched", attempt: 1, epoch: 1 });
    const third = aRequest(other);
    const done: CapabilityRequestRecord = {
      ...second,
      state: "succeeded",
      completedAt: NOW,
      outputJson: new Uint8Array([123, 125]),
    };
    await store.transaction(async (tx) => {
      await tx.requests.insert(first);
      await tx.requests.insert(second);
      await tx.requests.insert(third);
      await tx.requests.update(done);
    });
    const ids = (requests: readonly CapabilityRequestRecord[]) => requests.map((request) => request.requestId);
    await store.transaction(async (tx) => {
      const expected = [first.requestId, third.requestId].sort();
      assert.deepEqual(ids(await tx.requests.listUnfinished()), expected);
      assert.deepEqual(await tx.requests.get(second.requestId), done);
      assert.deepEqual(ids(await tx.requests.list({ deviceId: other.deviceId, limit: 10 })), [third.requestId]);
      assert.deepEqual(ids(await tx.requests.list({ state: "succeeded", limit: 10 })), [second.requestId]);
      const listed = await tx.requests.list({ limit: 2 });
      assert.equal(listed.length, 2);
      assert.ok(listed.every((request) => request.outputJson === undefined && request.inputJson.length <= 1_024));
    });
  });

  test("refuses a second request with the same idempotency key for the same device only", async (store) => {
    const [one, other] = [aDevice(), aDevice()];
    await store.transaction((tx) => tx.requests.insert(aRequest(one, { idempotencyKey: "once" })));
    await assert.rejects(store.transaction((tx) => tx.requests.insert(aRequest(one, { idempotencyKey: "once" }))));
    await store.transaction((tx) => tx.requests.insert(aRequest(other, { idempotencyKey: "once" })));
    assert.equal((await store.transaction((tx) => tx.requests.list({ limit: 10 }))).length, 2);
  });
}
