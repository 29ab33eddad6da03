import assert from "node:assert/strict";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { RECOVERY_CHALLENGE_TTL_MS, signRecovery } from "../identity/device_recovery.ts";
import { type Fingerprint, fingerprintOf } from "../identity/fingerprint.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { CertificateIssuer, MAX_VALID_CERTIFICATES } from "./certificate_issuer.ts";
import { followChanges, useCertificate } from "./certificate_succession.ts";
import {
  DeviceRecoveryDesk,
  type DeviceRecoveryDeskOptions,
  MAX_RECOVERIES_PER_DEVICE,
  type RecoveryAnswer,
} from "./device_recovery_desk.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { admitLocalOperator } from "./local_operator.ts";
import {
  MAX_RECOVERY_CHALLENGES,
  MAX_RECOVERY_CHALLENGES_PER_SOURCE,
  MAX_RECOVERY_STARTS_PER_SOURCE,
  type RecoveryChallenge,
} from "./recovery_challenges.ts";
import type { CertificateRecord, DeviceRecord } from "./store/device_record.ts";
import { HOUR_MS, isError, PairingBench } from "./testing/pairing_bench.ts";

const SERVER: Fingerprint = fingerprintOf(new TextEncoder().encode("the server's certificate"));
const HOME = "198.51.100.1:40000";
const ELSEWHERE = "203.0.113.9:40000";

/** A desk and one paired device whose certificate lives for an hour. */
class Bench implements AsyncDisposable {
  server: Fingerprint = SERVER;
  sessionAddress: string | undefined;
  lastSessionAddress: string | undefined;

  private constructor(
    readonly pairing: PairingBench,
    readonly device: DeviceIdentity,
    readonly desk: DeviceRecoveryDesk,
  ) {}

  static async open(changes: Partial<DeviceRecoveryDeskOptions> = {}, certificateValidityMs = HOUR_MS): Promise<Bench> {
    const pairing = await PairingBench.open();
    const device = DeviceIdentity.generate(newDeviceId());
    await pairing.pair((await pairing.mint({ approve: true })).secretText, device);
    // deno-lint-ignore prefer-const -- the desk asks the bench, the bench holds the desk
    let bench: Bench | undefined;
    const { store, identity, devices, clock } = pairing;
    const desk = new DeviceRecoveryDesk({
      identity,
      devices,
      issuer: new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs }),
      clock,
      allowed: true,
      serverCertificateFingerprint: () => bench?.server ?? SERVER,
      sessionAddress: () => bench?.sessionAddress,
      lastSessionAddress: () => bench?.lastSessionAddress,
      ...changes,
    });
    bench = new Bench(pairing, device, desk);
    return bench;
  }

  get record(): DeviceRecord {
    const record = this.pairing.devices.get(this.device.deviceId);
    assert.ok(record);
    return record;
  }

  get certificates(): CertificateRecord[] {
    return this.pairing.devices.certificatesOf(this.device.deviceId);
  }

  pass(milliseconds: number): void {
    this.pairing.now = unixMs(this.pairing.now + milliseconds);
  }

  /** The device's answer, as it saw the connection. */
  async answer(
    challenge: RecoveryChallenge,
    { device = this.device, seen = SERVER }: { device?: DeviceIdentity; seen?: Fingerprint } = {},
  ): Promise<RecoveryAnswer> {
    const { recoveryId, deviceId } = challenge;
    const csrDer = await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() });
    const observed = { caFingerprint: this.pairing.identity.ca.fingerprint, serverCertificateFingerprint: seen };
    const signature = signRecovery(device, { ...challenge, ...observed, csrDer });
    return { recoveryId, deviceId, csrDer, signature };
  }

  async recover(from = HOME): Promise<CertificateRecord> {
    return await this.desk.complete(await this.answer(this.desk.begin(this.device.deviceId, from)), from);
  }

  /** The device opens a session with it. */
  async use({ fingerprint }: CertificateRecord): Promise<void> {
    const { store, devices, now } = this.pairing;
    followChanges(
      devices,
      await store.transaction((tx) => useCertificate(tx, this.device.deviceId, fingerprint, now)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pairing[Symbol.asyncDispose]();
  }
}

Deno.test("DeviceRecoveryDesk gives a device whose certificate has expired another one, counts and tells of it", async () => {
  await using bench = await Bench.open();
  const { pairing, device } = bench;
  const [first] = bench.certificates;
  assert.ok(first);
  bench.pass(2 * HOUR_MS);
  assert.equal(pairing.refusalOf(first), "certificate_expired");
  const certificate = await bench.recover();
  assert.equal(pairing.refusalOf(certificate), undefined);
  assert.equal(bench.record.recoveryCount, 1);
  assert.equal(bench.record.recoveryAlarm, undefined);
  const { events, recoveries, audit } = await pairing.store.transaction(async (tx) => ({
    events: (await tx.events.read(device.deviceId, 0, 100)).events,
    recoveries: await tx.recoveries.list(device.deviceId, unixMs(0)),
    audit: await tx.audit.read({ after: 0, limit: 100 }),
  }));
  assert.deepEqual(events.at(-1)?.payload, {
    fingerprint: certificate.fingerprint,
    expires_at_unix_ms: certificate.expiresAt,
    remote_address: "198.51.100.1",
  });
  assert.deepEqual(recoveries.map(({ remoteAddress, fingerprint, at }) => [remoteAddress, fingerprint, at]), [
    ["198.51.100.1", certificate.fingerprint, pairing.now],
  ]);
  const told = audit.at(-1);
  assert.deepEqual([told?.kind, told?.subject, told?.actor], [
    "certificate.recovered",
    certificate.fingerprint,
    `device ${device.deviceId}`,
  ]);
  const again = await DeviceRegistry.load(pairing.store, pairing.identity.revocations, pairing.clock);
  assert.equal(again.get(device.deviceId)?.recoveryCount, 1, "it is on disk");
});

Deno.test("DeviceRecoveryDesk leaves what is valid so until the device uses the new certificate", async () => {
  await using bench = await Bench.open();
  const [first] = bench.certificates;
  assert.ok(first);
  await bench.use(first);
  const lost = await bench.recover();
  const recovered = await bench.recover();
  assert.deepEqual([first, lost, recovered].map((each) => bench.pairing.refusalOf(each)), [
    undefined,
    undefined,
    undefined,
  ]);
  await bench.use(recovered);
  assert.deepEqual([first, lost, recovered].map((each) => bench.pairing.refusalOf(each)), [
    "certificate_superseded",
    "certificate_superseded",
    undefined,
  ]);
});

Deno.test("DeviceRecoveryDesk takes each answer once, within its minute, and from that device", async () => {
  await using bench = await Bench.open();
  const { desk, device } = bench;
  const once = await bench.answer(desk.begin(device.deviceId, HOME));
  await desk.complete(once, HOME);
  await assert.rejects(desk.complete(once, HOME), isError("recovery_unknown"));
  const late = await bench.answer(desk.begin(device.deviceId, HOME));
  bench.pass(RECOVERY_CHALLENGE_TTL_MS);
  await assert.rejects(desk.complete(late, HOME), isError("recovery_unknown"));
  const other = DeviceIdentity.generate(newDeviceId());
  const stolen = await bench.answer(desk.begin(other.deviceId, HOME), { device: other });
  await assert.rejects(desk.complete({ ...stolen, deviceId: device.deviceId }, HOME), isError("recovery_unknown"));
  const fresh = await bench.answer(desk.begin(device.deviceId, HOME));
  await assert.rejects(
    desk.complete({ ...fresh, signature: new Uint8Array(64) }, HOME),
    isError("recovery_proof_failed"),
  );
  await assert.rejects(desk.complete(fresh, HOME), isError("recovery_unknown"), "a wrong answer uses it up");
  assert.equal(bench.certificates.length, 2);
});

Deno.test("DeviceRecoveryDesk refuses a signature for another request, connection or challenge, or of another key", async () => {
  await using bench = await Bench.open();
  const { desk, device } = bench;
  const begin = () => desk.begin(device.deviceId, HOME);
  const another = await createCertificateRequest({ deviceId: device.deviceId, tlsKey: await TlsKey.generate() });
  const relayed = fingerprintOf(new TextEncoder().encode("the certificate of a man in the middle"));
  const earlier = await bench.answer(begin());
  const { recoveryId } = begin();
  const wrong: readonly [string, RecoveryAnswer][] = [
    ["another request", { ...await bench.answer(begin()), csrDer: another }],
    ["another connection", await bench.answer(begin(), { seen: relayed })],
    ["another challenge", { ...earlier, recoveryId }],
    ["another key", await bench.answer(begin(), { device: DeviceIdentity.generate(device.deviceId) })],
  ];
  for (const [what, answer] of wrong) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(desk.complete(answer, HOME), isError("recovery_proof_failed"), what);
  }
  assert.equal(bench.certificates.length, 1);
  assert.equal(bench.record.recoveryCount, 0);
});

Deno.test("DeviceRecoveryDesk refuses devices that are unknown, revoked or forbidden, and everybody where nobody may", async () => {
  await using bench = await Bench.open();
  const { desk, device, pairing } = bench;
  const stranger = DeviceIdentity.generate(newDeviceId());
  const unknown = await bench.answer(desk.begin(stranger.deviceId, HOME), { device: stranger });
  await assert.rejects(desk.complete(unknown, HOME), isError("device_unknown"));

  const { store, secrets, devices, clock } = pairing;
  const operator = await admitLocalOperator({ store, secrets, devices, clock }, await TlsKey.generate());
  const keyless = DeviceIdentity.generate(operator.deviceId);
  const claimed = await bench.answer(desk.begin(operator.deviceId, HOME), { device: keyless });
  await assert.rejects(desk.complete(claimed, HOME), isError("device_unknown"));

  const forbidden: DeviceRecord = { ...bench.record, recoveryAllowed: false };
  await store.transaction((tx) => tx.devices.put(forbidden));
  devices.putDevice(forbidden);
  await assert.rejects(bench.recover(), isError("recovery_forbidden"));

  const revoked: DeviceRecord = { ...forbidden, status: "revoked", revokedAt: clock(), revokedReason: "stolen in May" };
  await store.transaction((tx) => tx.devices.put(revoked));
  await assert.rejects(bench.recover(), isError("device_revoked"), "although the registry has not heard of it");
  devices.putDevice(revoked);
  await assert.rejects(bench.recover(), isError("device_revoked", /stolen in May/));
  const forged = { ...await bench.answer(desk.begin(device.deviceId, HOME)), signature: new Uint8Array(64) };
  await assert.rejects(desk.complete(forged, HOME), isError("recovery_proof_failed"), "only the device is told");

  await using closed = await Bench.open({ allowed: false });
  await assert.rejects(closed.recover(), isError("recovery_forbidden"));
  const unproved = {
    ...await closed.answer(closed.desk.begin(closed.device.deviceId, HOME)),
    signature: new Uint8Array(64),
  };
  await assert.rejects(closed.desk.complete(unproved, HOME), isError("recovery_proof_failed"));
  assert.equal(closed.certificates.length, 1);
});

Deno.test("DeviceRecoveryDesk lets a device recover so often in an hour, whatever was restarted meanwhile", async () => {
  await using bench = await Bench.open();
  const { pairing } = bench;
  for (let recovery = 0; recovery < MAX_RECOVERIES_PER_DEVICE; recovery++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.recover();
    bench.pass(1_000);
  }
  await assert.rejects(bench.recover(), isError("rate_limited"));
  const { store, identity, devices, clock } = pairing;
  const restarted = new DeviceRecoveryDesk({
    identity,
    devices,
    issuer: new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: HOUR_MS }),
    clock,
    allowed: true,
    serverCertificateFingerprint: () => SERVER,
    sessionAddress: () => undefined,
    lastSessionAddress: () => undefined,
  });
  const answer = await bench.answer(restarted.begin(bench.device.deviceId, HOME));
  await assert.rejects(restarted.complete(answer, HOME), isError("rate_limited"));
  assert.equal(bench.record.recoveryCount, MAX_RECOVERIES_PER_DEVICE);
  bench.pass(HOUR_MS - MAX_RECOVERIES_PER_DEVICE * 1_000);
  await bench.recover();
  await assert.rejects(bench.recover(), isError("rate_limited"), "the window slides");
});

Deno.test("DeviceRecoveryDesk ends the oldest certificates of a device whose every reply was lost", async () => {
  await using bench = await Bench.open({}, 24 * HOUR_MS);
  for (let recovery = 0; recovery < 2 * MAX_RECOVERIES_PER_DEVICE; recovery++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await bench.recover();
    bench.pass(recovery === MAX_RECOVERIES_PER_DEVICE - 1 ? HOUR_MS / 2 : HOUR_MS / 10);
  }
  const refusals = bench.certificates.map((certificate) => bench.pairing.refusalOf(certificate));
  assert.deepEqual(refusals.slice(-MAX_VALID_CERTIFICATES), Array(MAX_VALID_CERTIFICATES).fill(undefined));
  const ended = refusals.slice(0, -MAX_VALID_CERTIFICATES);
  assert.ok(
    ended.length > 0 && ended.every((code) => code === "certificate_superseded" || code === "certificate_expired"),
  );
  const { store, now } = bench.pairing;
  const valid = await store.transaction((tx) => tx.devices.countValidCertificates(bench.device.deviceId, now));
  assert.equal(valid, MAX_VALID_CERTIFICATES, "the store says the same");
});

Deno.test("DeviceRecoveryDesk raises the alarm when a device that has a valid certificate recovers in two places", async () => {
  await using bench = await Bench.open();
  await bench.recover(HOME);
  assert.equal(bench.record.recoveryAlarm, undefined);
  bench.pass(1);
  await bench.recover("198.51.100.1:50001");
  assert.equal(bench.record.recoveryAlarm, undefined, "another port is no other place");
  bench.pass(1);
  await bench.recover(ELSEWHERE);
  assert.match(bench.record.recoveryAlarm ?? "", /203\.0\.113\.9 .*198\.51\.100\.1\./);
  const { events, audit } = await bench.pairing.store.transaction(async (tx) => ({
    events: (await tx.events.read(bench.device.deviceId, 0, 100)).events,
    audit: await tx.audit.read({ after: 0, limit: 100 }),
  }));
  assert.equal(events.at(-1)?.name, "device.recovery_alarm");
  assert.equal(audit.at(-1)?.kind, "device.recovery_alarm");
});

Deno.test("DeviceRecoveryDesk raises no alarm for a machine that has moved and whose certificates have all expired", async () => {
  await using bench = await Bench.open();
  await bench.recover(HOME);
  bench.pass(2 * HOUR_MS);
  await bench.recover(ELSEWHERE);
  assert.equal(bench.record.recoveryAlarm, undefined);
});

Deno.test("DeviceRecoveryDesk raises the alarm when a device recovers while it is connected from elsewhere", async () => {
  await using bench = await Bench.open();
  bench.sessionAddress = "198.51.100.1:1024";
  await bench.recover(HOME);
  assert.equal(bench.record.recoveryAlarm, undefined);
  bench.sessionAddress = ELSEWHERE;
  await bench.recover(HOME);
  assert.match(bench.record.recoveryAlarm ?? "", /from 198\.51\.100\.1 while it was connected from 203\.0\.113\.9\./);
});

Deno.test("DeviceRecoveryDesk raises the alarm when somebody else has renewed the device's certificate and used it", async () => {
  await using bench = await Bench.open();
  const [first] = bench.certificates;
  assert.ok(first);
  bench.lastSessionAddress = ELSEWHERE;
  await bench.recover(HOME);
  assert.equal(bench.record.recoveryAlarm, undefined, "what it has was never used");
  await bench.use(first);
  bench.lastSessionAddress = "198.51.100.1:1024";
  await bench.recover(HOME);
  assert.equal(bench.record.recoveryAlarm, undefined, "the same place, as after its state was restored");
  bench.lastSessionAddress = ELSEWHERE;
  await bench.recover(HOME);
  assert.match(bench.record.recoveryAlarm ?? "", /from 198\.51\.100\.1 .*connected from 203\.0\.113\.9 before\./);
});

Deno.test("DeviceRecoveryDesk bounds its challenges, in all and for each source, and how fast a source asks", async () => {
  await using bench = await Bench.open();
  const { desk, device } = bench;
  const first = await bench.answer(desk.begin(device.deviceId, HOME));
  for (let more = 0; more < MAX_RECOVERY_CHALLENGES_PER_SOURCE; more++) desk.begin(newDeviceId(), HOME);
  await assert.rejects(desk.complete(first, HOME), isError("recovery_unknown"), "the source's own oldest went");
  for (let more = MAX_RECOVERY_CHALLENGES_PER_SOURCE + 1; more < MAX_RECOVERY_STARTS_PER_SOURCE; more++) {
    desk.begin(newDeviceId(), HOME);
  }
  assert.throws(() => desk.begin(device.deviceId, HOME), isError("rate_limited"));
  const [gone, kept] = [
    await bench.answer(desk.begin(device.deviceId, ELSEWHERE)),
    await bench.answer(desk.begin(device.deviceId, ELSEWHERE)),
  ];
  for (let more = 1; more < MAX_RECOVERY_CHALLENGES; more++) desk.begin(newDeviceId(), `10.0.${more >> 4}.1:1`);
  await assert.rejects(desk.complete(gone, ELSEWHERE), isError("recovery_unknown"), "the oldest of all went");
  await desk.complete(kept, ELSEWHERE);
  await bench.recover("192.0.2.1:1");
  bench.pass(RECOVERY_CHALLENGE_TTL_MS);
  desk.begin(device.deviceId, HOME);
});
