import assert from "node:assert/strict";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { ulidFrom } from "../../identity/ulid_bytes.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import { aCode, aDevice, aPairing, aRequest, NOW } from "../testing/store_records.ts";
import type { CapabilityRequestRecord } from "./capability_request_record.ts";
import type { StoreUnderTest } from "./store_contract.ts";
import type { Store } from "./store.ts";

const later = (ms: number): UnixMs => unixMs(NOW + ms);

/** A request with the id that it would have been given at that moment. */
function requestMadeAt(createdAt: UnixMs, changes: Partial<CapabilityRequestRecord> = {}): CapabilityRequestRecord {
  const requestId = ulidFrom(createdAt, crypto.getRandomValues(new Uint8Array(10)));
  return aRequest(aDevice(), { requestId, createdAt, ...changes });
}

/** Registers the tests of deleting what is old that every {@linkcode Store} driver must pass. */
export function historyContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
  const test = (name: string, body: (store: Store) => Promise<void>) =>
    Deno.test(`${driver} ${name}`, async () => {
      const under = await setUp();
      const store = await under.open();
      try {
        await body(store);
      } finally {
        await store.close();
        await under.remove();
      }
    });

  test("deletes requests that ended long ago, with their progress and keys, in batches, oldest first", async (store) => {
    const ended = (at: number, changes: Partial<CapabilityRequestRecord> = {}) =>
      requestMadeAt(later(at), { state: "succeeded", completedAt: later(at + 10), ...changes });
    const [first, second, third] = [ended(0, { idempotencyKey: "key" }), ended(1), ended(2)];
    const open = requestMadeAt(later(0));
    const endedLate = ended(0, { completedAt: later(1_000) });
    const recent = ended(1_000);
    await store.transaction(async (tx) => {
      await Promise.all([first, second, third, open, endedLate, recent].map((each) => tx.requests.insert(each)));
      await tx.progress.append(first.requestId, [{
        attempt: 1,
        sequence: 1,
        payloadJson: new Uint8Array(2),
        at: NOW,
      }]);
    });
    await store.transaction(async (tx) => {
      assert.equal(await tx.requests.deleteEndedBefore(later(500), 2), 2);
      assert.equal(await tx.requests.get(second.requestId), undefined);
      assert.deepEqual(await tx.requests.get(third.requestId), third);
      assert.equal(await tx.requests.deleteEndedBefore(later(500), 2), 1);
      assert.equal(await tx.requests.deleteEndedBefore(later(500), 2), 0);
      assert.deepEqual(await tx.progress.list(first.requestId, { attempt: 0, sequence: 0 }), []);
      assert.equal(await tx.requests.findByIdempotencyKey(first.deviceId, "key"), undefined);
      const left = (await tx.requests.list({ limit: 10 })).map(({ requestId }) => requestId);
      assert.deepEqual(left.sort(), [open, endedLate, recent].map(({ requestId }) => requestId as string).sort());
    });
  });

  test("deletes certificates that expired long ago, but the newest of each device", async (store) => {
    const [one, other] = [aDevice(), aDevice()];
    let made = 0;
    const certificate = (device: typeof one, expiresAt: UnixMs) => ({
      fingerprint: fingerprintOf(new Uint8Array([++made])),
      deviceId: device.deviceId,
      issuedAt: NOW,
      expiresAt,
      pem: "pem",
      caFingerprint: fingerprintOf(new Uint8Array()),
    });
    const old = [1, 2, 3].map((at) => certificate(one, later(at)));
    const valid = certificate(one, later(1_000));
    const [older, newest] = [certificate(other, later(1)), certificate(other, later(2))];
    await store.transaction(async (tx) => {
      await tx.devices.put(one);
      await tx.devices.put(other);
      await Promise.all([...old, valid, older, newest].map((each) => tx.devices.insertCertificate(each)));
    });
    const [first, rest] = await store.transaction(async (tx) => [
      await tx.devices.deleteCertificatesExpiredBefore(later(500), 3),
      await tx.devices.deleteCertificatesExpiredBefore(later(500), 3),
    ]);
    assert.equal(first?.length, 3);
    assert.deepEqual([...first, ...rest ?? []].sort(), [...old, older].map((each) => each.fingerprint).sort());
    const left = await store.transaction((tx) => tx.devices.listCertificates());
    assert.deepEqual(
      left.map(({ fingerprint }) => fingerprint).sort(),
      [valid, newest].map((each) => each.fingerprint).sort(),
    );
  });

  test("deletes pairing codes and requests that are of no use any more", async (store) => {
    const codes = {
      spent: aCode(),
      live: aCode(),
      oldPin: aCode({ method: "pin" }),
      newestPin: aCode({ method: "pin" }),
      recent: aCode({ createdAt: later(1_000) }),
    };
    const request = (changes: Partial<ReturnType<typeof aPairing>>) => ({
      ...aPairing(aDevice(), codes.spent.codeId),
      expiresAt: later(10),
      ...changes,
    });
    const requests = {
      completed: request({ state: "completed" }),
      expired: request({}),
      approved: request({ state: "approved" }),
      recent: request({ state: "rejected", requestedAt: later(1_000), expiresAt: later(1_010) }),
    };
    await store.transaction(async (tx) => {
      await Promise.all(Object.values(codes).map((each) => tx.pairing.insertCode(each)));
      await Promise.all(Object.values(requests).map((each) => tx.pairing.insertRequest(each)));
      await tx.pairing.insertTry({
        codeId: codes.spent.codeId,
        at: NOW,
        remoteAddress: "192.0.2.1:4000",
        deviceId: "",
        reason: "pairing_proof_failed",
      });
      for (const { codeId } of [codes.spent, codes.oldPin, codes.newestPin, codes.recent]) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        await tx.pairing.endCode(codeId, "spent");
      }
    });
    await store.transaction(async (tx) => {
      assert.equal(await tx.pairing.deleteEndedBefore(later(500), 10), 2);
      assert.equal(await tx.pairing.deleteEndedBefore(later(500), 10), 0);
      const codesLeft = (await tx.pairing.listCodes(10)).map(({ codeId }) => codeId);
      assert.deepEqual(codesLeft.sort(), [codes.live, codes.newestPin, codes.recent].map((each) => each.codeId).sort());
      assert.deepEqual(await tx.pairing.listTries(codes.spent.codeId), []);
      const requestsLeft = (await tx.pairing.listRequests({ at: NOW, limit: 10 })).map(({ requestId }) => requestId);
      assert.deepEqual(requestsLeft.sort(), [requests.approved, requests.recent].map((each) => each.requestId).sort());
    });
  });
}
