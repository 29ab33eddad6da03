import assert from "node:assert/strict";
import { newDeviceId } from "../../identity/device_id.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { unixMs } from "../../identity/unix_ms.ts";
import { aDevice, NOW } from "../testing/store_records.ts";
import type { CertificateRecord } from "./device_record.ts";
import { GENERATION_FACT } from "./fact_table.ts";
import type { Store } from "./store.ts";
import type { StoreUnderTest } from "./store_contract.ts";

/** Registers the tests of what a {@linkcode Store} driver keeps of revocations. */
export function revocationContract(driver: string, setUp: () => Promise<StoreUnderTest>): void {
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

  test("lists revoked certificates until they expire, also those of a device that was removed", async (store) => {
    const [removed, kept] = [aDevice(), aDevice()];
    const certificate = (owner: typeof kept, number: number, expiresAt: number): CertificateRecord => ({
      fingerprint: fingerprintOf(new Uint8Array([number])),
      deviceId: owner.deviceId,
      issuedAt: NOW,
      expiresAt: unixMs(expiresAt),
      pem: `pem ${number}`,
      caFingerprint: fingerprintOf(new Uint8Array()),
    });
    const [before, valid, expired] = [
      certificate(removed, 1, NOW + 1_000),
      certificate(removed, 2, NOW + 2_000),
      certificate(removed, 3, NOW),
    ];
    const [revoked, untouched] = [certificate(kept, 4, NOW + 3_000), certificate(kept, 5, NOW + 3_000)];
    await store.transaction(async (tx) => {
      await Promise.all([removed, kept].map((device) => tx.devices.put(device)));
      await Promise.all(
        [before, valid, expired, revoked, untouched].map((each) => tx.devices.insertCertificate(each)),
      );
      await tx.devices.revokeCertificate(before.fingerprint, NOW, "copied");
      await tx.devices.revokeCertificate(revoked.fingerprint, unixMs(NOW + 2), "lost");
      await tx.devices.keepRevoked(removed.deviceId, unixMs(NOW + 1), "removed");
      await tx.devices.remove(removed.deviceId);
    });
    const listed = (moment: number) => store.transaction((tx) => tx.devices.listRevoked(unixMs(moment)));
    const all = [
      { ...before, revokedAt: NOW, revokedReason: "copied" },
      { ...valid, revokedAt: unixMs(NOW + 1), revokedReason: "removed" },
      { ...revoked, revokedAt: unixMs(NOW + 2), revokedReason: "lost" },
    ];
    assert.deepEqual(await listed(NOW), all);
    assert.deepEqual(await listed(NOW + 1_000), all.slice(1), "refused anyway from then on");
    const forget = (limit: number) =>
      store.transaction((tx) => tx.devices.deleteExpiredRevoked(unixMs(NOW + 2_000), limit));
    assert.deepEqual([await forget(1), await forget(9), await forget(9)], [1, 1, 0]);
    assert.deepEqual(await listed(NOW), all.slice(2));
  });

  test("tells of the generation after the commits that raised it, and of no other", async (store) => {
    const told: number[] = [];
    const end = store.onGeneration((generation) => told.push(generation));
    const details = { device_name: "laptop", reason: "" };
    const removed = { kind: "device.removed", actor: "ada", subject: newDeviceId(), details } as const;
    await store.transaction((tx) => tx.facts.put("a", "1"));
    await store.transaction(async (tx) => {
      await tx.audit.append(removed, NOW);
      await tx.audit.append(removed, NOW);
    });
    await assert.rejects(store.transaction(async (tx) => {
      await tx.audit.append(removed, NOW);
      throw new Error("given up");
    }));
    await store.transaction((tx) => tx.audit.append(removed, NOW));
    assert.deepEqual(told, [2, 3]);
    end();
    await store.transaction((tx) => tx.audit.append(removed, NOW));
    assert.equal(await store.transaction((tx) => tx.facts.get(GENERATION_FACT)), "4");
    assert.equal(told.length, 2);
  });
}
