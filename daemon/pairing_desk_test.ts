import assert from "node:assert/strict";
import { join } from "node:path";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { type DeviceId, newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { fingerprintOf } from "../identity/fingerprint.ts";
import { IdentityManager } from "../identity/identity_manager.ts";
import { PairingAttempt } from "../identity/pairing_attempt.ts";
import type { PairingChallenge, PairingCompletion } from "../identity/pairing_message.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { parseQrToken } from "../identity/qr_token.ts";
import { SecretStore } from "../identity/secret_store.ts";
import { TlsKey } from "../identity/tls_key.ts";
import { systemClock, type UnixMs, unixMs } from "../identity/unix_ms.ts";
import { DeviceRegistry } from "./device_registry.ts";
import { type MintOrder, PAIRING_DECISION_MS, PairingDesk } from "./pairing_desk.ts";
import { SqliteStore } from "./store/sqlite/sqlite_store.ts";

const SERVER = fingerprintOf(new TextEncoder().encode("the server's certificate"));
const FROM = "192.0.2.7:50000";
const HOUR_MS = 3_600_000;

/** A desk on a real store, with a clock that can be moved. */
class Bench implements AsyncDisposable {
  now: UnixMs = systemClock();
  #addresses = 0;

  private constructor(
    readonly folder: string,
    readonly store: SqliteStore,
    readonly identity: IdentityManager,
    readonly devices: DeviceRegistry,
    readonly desk: PairingDesk,
  ) {}

  static async open(): Promise<Bench> {
    const folder = await Deno.makeTempDir();
    // deno-lint-ignore prefer-const -- the clock reads the bench, the bench holds what the clock is given to
    let bench: Bench | undefined;
    const clock = () => bench?.now ?? systemClock();
    const secrets = await SecretStore.open(join(folder, "secrets"));
    const identity = await IdentityManager.open({ secrets, clock, trustDomain: "palyra" });
    const store = SqliteStore.open(join(folder, "palyrad.sqlite"));
    const devices = await DeviceRegistry.load(store, identity.revocations, clock);
    const desk = new PairingDesk({
      store,
      identity,
      devices,
      clock,
      serverCertificateFingerprint: () => SERVER,
      certificateValidityMs: HOUR_MS,
    });
    bench = new Bench(folder, store, identity, devices, desk);
    return bench;
  }

  async mint(changes: Partial<MintOrder> = {}) {
    return await this.desk.mint({
      method: "qr",
      clientKind: "node",
      ttlMs: undefined,
      approve: false,
      issuedBy: "operator",
      endpoints: ["127.0.0.1:7445"],
      ...changes,
    });
  }

  async begin(secretText: string): Promise<PairingChallenge> {
    // Another address each time, since this is about codes and not about the limit per address.
    const from = `192.0.2.${++this.#addresses % 250}:50000`;
    if (/^\d+$/.test(secretText)) return await this.desk.begin({ method: "pin" }, "node", from);
    return await this.desk.begin({ method: "qr", codeId: parseQrToken(secretText).codeId }, "node", from);
  }

  /** The device's answer. `claimed` is the code it holds, which may be wrong. */
  async answer(challenge: PairingChallenge, claimed: string, device: DeviceIdentity): Promise<PairingAttempt> {
    const tlsKey = await TlsKey.generate();
    const secret = /^\d+$/.test(claimed)
      ? { kind: "pin" as const, pin: claimed }
      : { kind: "qr" as const, ...pick(parseQrToken(claimed)) };
    return await PairingAttempt.answer({
      device,
      csrDer: await createCertificateRequest({ deviceId: device.deviceId, tlsKey }),
      method: secret,
      caFingerprint: this.identity.ca.fingerprint,
      serverCertificateFingerprint: SERVER,
      clientKind: "node",
      platform: "linux-x86_64",
      deviceName: "laptop",
      requestedCapabilities: ["echo"],
    }, challenge);
  }

  async pair(secretText: string, device = DeviceIdentity.generate(newDeviceId())) {
    const attempt = await this.answer(await this.begin(secretText), secretText, device);
    const outcome = await this.desk.complete(attempt.completion, FROM);
    attempt.verifyConfirmation(outcome.gatewayConfirmation);
    return outcome;
  }

  async failTry(secretText: string): Promise<void> {
    const wrong = secretText === "000000" ? "000001" : "000000";
    const attempt = await this.answer(
      await this.begin(secretText),
      wrong,
      DeviceIdentity.generate(newDeviceId()),
    );
    await assert.rejects(this.desk.complete(attempt.completion, FROM), isError("pairing_proof_failed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

const pick = ({ secret, codeId }: ReturnType<typeof parseQrToken>) => ({ secret, codeId });
const isError = (code: string) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;
const APPROVE = { approve: true, reason: "known", operator: "operator", replace: false };

for (const method of ["qr", "pin"] as const) {
  Deno.test(`PairingDesk pairs by ${method}, waits for approval, and hands the certificate over once`, async () => {
    await using bench = await Bench.open();
    const { secretText } = await bench.mint({ method });
    const { request, certificate } = await bench.pair(secretText);
    assert.equal(request.state, "pending_approval");
    assert.equal(certificate, undefined);
    assert.equal(bench.devices.get(request.deviceId), undefined);

    await bench.desk.decide(request.requestId, APPROVE);
    // Two at once: the same certificate for both.
    const [one, two] = await Promise.all([bench.desk.status(request.requestId), bench.desk.status(request.requestId)]);
    assert.equal(one.request.state, "completed");
    assert.ok(one.certificate);
    assert.equal(one.certificate.fingerprint, two.certificate?.fingerprint);
    const known = bench.devices.identify({ fingerprint: one.certificate.fingerprint, der: new Uint8Array() });
    assert.ok(!(known instanceof PalyraError));
    assert.deepEqual(known.device.grantedCapabilities, ["echo"]);
  });

  Deno.test(`PairingDesk uses a ${method} code up, and keeps nothing that could prove it`, async () => {
    await using bench = await Bench.open();
    const { secretText, code } = await bench.mint({ method });
    const second = await bench.answer(
      await bench.begin(secretText),
      secretText,
      DeviceIdentity.generate(newDeviceId()),
    );
    await bench.pair(secretText);
    await assert.rejects(
      bench.begin(secretText),
      isError(method === "qr" ? "pairing_code_spent" : "pairing_code_unknown"),
    );
    // A session that was open before is over too: a spent code is not revived by a race.
    await assert.rejects(bench.desk.complete(second.completion, FROM), isError("pairing_session_unknown"));
    const [listed] = await bench.desk.listCodes(10);
    assert.equal(listed?.code.codeId, code.codeId);
    assert.equal(listed?.code.state, "spent");
    assert.equal(listed?.code.key, undefined);
  });
}

Deno.test("PairingDesk approves in advance where the code says so", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ approve: true });
  const { request, certificate } = await bench.pair(secretText);
  assert.equal(request.state, "completed");
  assert.ok(certificate);
  assert.equal(bench.devices.get(request.deviceId)?.approvedBy, "operator");
});

Deno.test("PairingDesk kills a PIN at the fifth wrong guess, shows the operator who tried, and takes a new PIN", async () => {
  await using bench = await Bench.open();
  const { secretText, code } = await bench.mint({ method: "pin" });
  for (let guess = 1; guess <= 5; guess++) {
    // deno-lint-ignore no-await-in-loop -- one guess after the other
    await bench.failTry(secretText);
  }
  await assert.rejects(bench.begin(secretText), isError("pairing_code_unknown"));
  const [listed] = await bench.desk.listCodes(10);
  assert.equal(listed?.code.state, "dead");
  assert.equal(listed?.failedTries.length, 5);
  assert.equal(listed?.failedTries[0]?.remoteAddress, FROM);
  assert.equal(listed?.code.codeId, code.codeId);
  const next = await bench.mint({ method: "pin" });
  assert.equal((await bench.pair(next.secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk gives the owner's code back after somebody else's failed try", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  await bench.failTry(secretText);
  await bench.failTry(secretText);
  assert.equal((await bench.desk.listCodes(1))[0]?.code.triesLeft, 3);
  assert.equal((await bench.pair(secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk counts parallel guesses: twenty open sessions give five tries and no more", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  const wrong = secretText === "000000" ? "000001" : "000000";
  const attempts = await Promise.all(
    Array.from(
      { length: 20 },
      async () => await bench.answer(await bench.begin(secretText), wrong, DeviceIdentity.generate(newDeviceId())),
    ),
  );
  const results = await Promise.allSettled(attempts.map((each) => bench.desk.complete(each.completion, FROM)));
  const codes = results.map((each) => each.status === "rejected" ? each.reason.code : "let in");
  assert.equal(codes.filter((code) => code === "pairing_proof_failed").length, 5);
  assert.equal(codes.filter((code) => code === "let in").length, 0);
});

Deno.test("PairingDesk lets the last try be the right one", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  for (let guess = 1; guess <= 4; guess++) {
    // deno-lint-ignore no-await-in-loop -- one guess after the other
    await bench.failTry(secretText);
  }
  assert.equal((await bench.pair(secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk refuses a code past its time, and one that was replaced", async () => {
  await using bench = await Bench.open();
  const qr = await bench.mint({ ttlMs: 60_000 });
  const first = await bench.mint({ method: "pin" });
  const second = await bench.mint({ method: "pin" });
  assert.equal(second.replacedCodeId, first.code.codeId);
  assert.equal((await bench.pair(second.secretText)).request.state, "pending_approval");
  const open = await bench.answer(
    await bench.begin(qr.secretText),
    qr.secretText,
    DeviceIdentity.generate(newDeviceId()),
  );
  bench.now = unixMs(bench.now + 60_001);
  await assert.rejects(bench.begin(qr.secretText), isError("pairing_code_expired"));
  await assert.rejects(bench.desk.complete(open.completion, FROM), isError("pairing_code_expired"));
  await assert.rejects(bench.mint({ ttlMs: 29_999 }), isError("invalid_argument"));
});

Deno.test("PairingDesk refuses a code of another kind and names the right flag", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ clientKind: "cli" });
  await assert.rejects(
    bench.begin(secretText),
    (thrown) => thrown instanceof PalyraError && thrown.message.includes("--kind node"),
  );
});

Deno.test("PairingDesk never flips a decision and never approves what has expired", async () => {
  await using bench = await Bench.open();
  const rejected = await bench.pair((await bench.mint()).secretText);
  await bench.desk.decide(rejected.request.requestId, { ...APPROVE, approve: false });
  await assert.rejects(bench.desk.decide(rejected.request.requestId, APPROVE), isError("pairing_decided"));
  assert.equal((await bench.desk.status(rejected.request.requestId)).request.state, "rejected");

  const approved = await bench.pair((await bench.mint()).secretText);
  await bench.desk.decide(approved.request.requestId, APPROVE);
  await assert.rejects(
    bench.desk.decide(approved.request.requestId, { ...APPROVE, approve: false }),
    isError("pairing_decided"),
  );

  const late = await bench.pair((await bench.mint()).secretText);
  bench.now = unixMs(bench.now + PAIRING_DECISION_MS);
  await assert.rejects(bench.desk.decide(late.request.requestId, APPROVE), isError("pairing_expired"));
  assert.equal((await bench.desk.status(late.request.requestId)).request.state, "expired");
  // What was approved in time does not expire with it.
  assert.equal((await bench.desk.status(approved.request.requestId)).request.state, "completed");
});

Deno.test("PairingDesk gives a device id to another key only when the operator says so", async () => {
  await using bench = await Bench.open();
  const deviceId: DeviceId = newDeviceId();
  const owner = await bench.pair((await bench.mint({ approve: true })).secretText, DeviceIdentity.generate(deviceId));
  assert.ok(owner.certificate);
  const peer = { fingerprint: owner.certificate.fingerprint, der: new Uint8Array() };

  // Approved in advance, and yet it waits: the id belongs to somebody.
  const taker = await bench.pair((await bench.mint({ approve: true })).secretText, DeviceIdentity.generate(deviceId));
  assert.equal(taker.request.state, "pending_approval");
  await assert.rejects(bench.desk.decide(taker.request.requestId, APPROVE), isError("device_id_taken"));
  assert.ok(!(bench.devices.identify(peer) instanceof PalyraError), "the owner is untouched");

  await bench.desk.decide(taker.request.requestId, { ...APPROVE, replace: true });
  const refused = bench.devices.identify(peer);
  assert.ok(refused instanceof PalyraError && refused.code === "certificate_revoked");
});

Deno.test("PairingDesk pairs a known device with the same key again, and ends its earlier certificate", async () => {
  await using bench = await Bench.open();
  const device = DeviceIdentity.generate(newDeviceId());
  const first = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  const second = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  assert.ok(first.certificate && second.certificate);
  const identify = (fingerprint: typeof first.certificate.fingerprint) =>
    bench.devices.identify({ fingerprint, der: new Uint8Array() });
  assert.ok(identify(first.certificate.fingerprint) instanceof PalyraError);
  assert.ok(!(identify(second.certificate.fingerprint) instanceof PalyraError));
});

Deno.test("PairingDesk turns a revoked device away and keeps its code for somebody else", async () => {
  await using bench = await Bench.open();
  const device = DeviceIdentity.generate(newDeviceId());
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  await bench.store.transaction(async (tx) => {
    const stored = await tx.devices.get(request.deviceId);
    assert.ok(stored);
    await tx.devices.put({ ...stored, status: "revoked" });
  });
  const { secretText } = await bench.mint({ approve: true });
  await assert.rejects(bench.pair(secretText, device), isError("device_revoked"));
  assert.equal((await bench.pair(secretText)).request.state, "completed");
});

Deno.test("PairingDesk refuses a replayed completion and an unknown session, and the code stays", async () => {
  await using bench = await Bench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  const wrong = secretText === "000000" ? "000001" : "000000";
  const attempt = await bench.answer(await bench.begin(secretText), wrong, DeviceIdentity.generate(newDeviceId()));
  await assert.rejects(bench.desk.complete(attempt.completion, FROM), isError("pairing_proof_failed"));
  await assert.rejects(bench.desk.complete(attempt.completion, FROM), isError("pairing_session_unknown"));
  const strange: PairingCompletion = { ...attempt.completion, sessionId: newDeviceId() };
  await assert.rejects(bench.desk.complete(strange, FROM), isError("pairing_session_unknown"));
  assert.equal((await bench.desk.listCodes(1))[0]?.code.triesLeft, 4);
});

Deno.test("PairingDesk tells a watcher of the decision", async () => {
  await using bench = await Bench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  let told = 0;
  const unwatch = bench.desk.watch(request.requestId, () => told++);
  await bench.desk.decide(request.requestId, APPROVE);
  unwatch();
  assert.equal(told, 1);
});
