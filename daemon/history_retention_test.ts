import assert from "node:assert/strict";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { ulidFrom } from "../identity/ulid_bytes.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { HistoryRetention } from "./history_retention.ts";
import { DaemonBench } from "./testing/daemon_bench.ts";
import { aRequest } from "./testing/store_records.ts";

const DAY_MS = 24 * 3_600_000;

Deno.test("HistoryRetention deletes what is older than it is kept, in batches, and nothing else", async () => {
  await using bench = await DaemonBench.open();
  const { store, devices, clock } = bench.pairing;
  const device = await bench.pairedNode("laptop");
  const madeAt = (days: number, count: number) =>
    Array.from({ length: count }, () => {
      const createdAt = unixMs(clock() - days * DAY_MS);
      const requestId = ulidFrom(createdAt, crypto.getRandomValues(new Uint8Array(10)));
      return aRequest(device, { requestId, createdAt, state: "succeeded", completedAt: createdAt });
    });
  const recent = madeAt(29, 3);
  const expired = {
    deviceId: device.deviceId,
    fingerprint: fingerprintOf(new Uint8Array([1])),
    issuedAt: unixMs(clock() - 40 * DAY_MS),
    expiresAt: unixMs(clock() - 39 * DAY_MS),
    pem: "pem",
    caFingerprint: fingerprintOf(new Uint8Array()),
  };
  const valid = { ...expired, fingerprint: fingerprintOf(new Uint8Array([2])), expiresAt: unixMs(clock() + DAY_MS) };
  await store.transaction(async (tx) => {
    await Promise.all([...madeAt(31, 600), ...recent].map((request) => tx.requests.insert(request)));
    await Promise.all([expired, valid].map((certificate) => tx.devices.insertCertificate(certificate)));
  });
  for (const certificate of [expired, valid]) devices.putCertificate(certificate);
  const commits = store.commitCount;
  const retention = HistoryRetention.start({ store, devices, clock, keptMs: 30 * DAY_MS });
  await retention.firstLook;
  await retention.stop();
  assert.ok(store.commitCount - commits >= 3, "others get a turn in between");
  const left = await store.transaction((tx) => tx.requests.list({ limit: 100 }));
  assert.deepEqual(left.map(({ requestId }) => requestId).sort(), recent.map(({ requestId }) => requestId).sort());
  const certificates = devices.certificatesOf(device.deviceId).map(({ fingerprint }) => fingerprint);
  assert.deepEqual([valid, expired].map(({ fingerprint }) => certificates.includes(fingerprint)), [true, false]);
});

Deno.test("HistoryRetention forgets revocations of certificates that have expired, and those of removed devices", async () => {
  await using bench = await DaemonBench.open();
  const { store, devices, identity: { revocations }, clock } = bench.pairing;
  const device = await bench.pairedNode("laptop");
  const certificate = (number: number, days: number) => ({
    deviceId: device.deviceId,
    fingerprint: fingerprintOf(new Uint8Array([number])),
    issuedAt: unixMs(clock() - 2 * DAY_MS),
    expiresAt: unixMs(clock() + days * DAY_MS),
    pem: "pem",
    caFingerprint: fingerprintOf(new Uint8Array()),
    revokedAt: clock(),
    revokedReason: "lost",
  });
  const [expired, valid] = [certificate(1, -1), certificate(2, 1)];
  for (const each of [expired, valid]) devices.putCertificate(each);
  const sweep = async () => {
    const retention = HistoryRetention.start({ store, devices, clock, keptMs: 30 * DAY_MS });
    await retention.firstLook;
    await retention.stop();
  };
  await sweep();
  assert.deepEqual([expired, valid].map((each) => revocations.isRevoked(each.fingerprint)), [false, true]);
  const known = devices.identify({ fingerprint: expired.fingerprint, der: new Uint8Array() });
  assert.ok(
    known instanceof PalyraError && known.code === "certificate_revoked",
    "it is known for as long as it is kept",
  );

  await bench.administration.remove(device.deviceId, "", "owner");
  const revoked = async () => (await store.transaction((tx) => tx.devices.listRevoked(unixMs(0)))).length;
  assert.ok(await revoked() > 0);
  bench.pairing.now = unixMs(clock() + 2 * DAY_MS);
  await sweep();
  assert.equal(await revoked(), 0);
});

Deno.test("HistoryRetention stops between two batches", async () => {
  await using bench = await DaemonBench.open();
  const { store, devices, clock } = bench.pairing;
  const device = await bench.pairedNode("laptop");
  await store.transaction((tx) =>
    Promise.all(Array.from({ length: 2_000 }, (_, index) => {
      const createdAt = unixMs(1_000 + index);
      const requestId = ulidFrom(createdAt, new Uint8Array(10));
      return tx.requests.insert(aRequest(device, { requestId, createdAt, state: "lost", completedAt: createdAt }));
    }))
  );
  const retention = HistoryRetention.start({ store, devices, clock, keptMs: 1 });
  await retention.stop();
  const left = await store.transaction((tx) => tx.requests.list({ limit: 2_000 }));
  assert.ok(left.length > 0 && left.length < 2_000, `${left.length} left`);
});
