import assert from "node:assert/strict";
import { type DeviceId, newDeviceId, newUlid } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { MAX_PAIRING_SESSIONS_PER_SOURCE, MAX_PAIRING_STARTS_PER_SOURCE } from "../identity/identity_manager.ts";
import type { PairingCompletion } from "../identity/pairing_message.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { PAIRING_DECISION_MS } from "./pairing_desk.ts";
import { APPROVE, FROM, isError, PairingBench, wrongPin } from "./testing/pairing_bench.ts";

for (const method of ["qr", "pin"] as const) {
  Deno.test(`PairingDesk pairs by ${method}, waits for approval, and hands the certificate over once`, async () => {
    await using bench = await PairingBench.open();
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
    await using bench = await PairingBench.open();
    const { secretText, code } = await bench.mint({ method });
    const second = await bench.answer(
      await bench.begin(secretText),
      secretText,
      DeviceIdentity.generate(newDeviceId()),
    );
    await bench.pair(secretText);
    await assert.rejects(bench.begin(secretText), isError("pairing_code_spent"));
    // A session that was open before is over too: a spent code is not revived by a race.
    await assert.rejects(bench.desk.complete(second.completion, FROM), isError("pairing_session_unknown"));
    const [listed] = await bench.desk.listCodes(10);
    assert.equal(listed?.code.codeId, code.codeId);
    assert.equal(listed?.code.state, "spent");
    assert.equal(listed?.code.key, undefined);
  });
}

Deno.test("PairingDesk approves in advance where the code says so", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ approve: true });
  const { request, certificate } = await bench.pair(secretText);
  assert.equal(request.state, "completed");
  assert.ok(certificate);
  assert.equal(bench.devices.get(request.deviceId)?.approvedBy, "operator");
});

Deno.test("PairingDesk kills a PIN at the fifth wrong guess, shows the operator who tried, and takes a new PIN", async () => {
  await using bench = await PairingBench.open();
  const { secretText, code } = await bench.mint({ method: "pin" });
  for (let guess = 1; guess <= 5; guess++) {
    // deno-lint-ignore no-await-in-loop -- one guess after the other
    await bench.failTry(secretText);
  }
  await assert.rejects(bench.begin(secretText), isError("pairing_code_dead", /palyrad pairing list.*--pin/));
  const [listed] = await bench.desk.listCodes(10);
  assert.equal(listed?.code.state, "dead");
  assert.equal(listed?.failedTries.length, 5);
  assert.equal(listed?.failedTries[0]?.remoteAddress, FROM);
  assert.equal(listed?.code.codeId, code.codeId);
  const next = await bench.mint({ method: "pin" });
  assert.equal((await bench.pair(next.secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk gives the owner's code back after somebody else's failed try", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  await bench.failTry(secretText);
  await bench.failTry(secretText);
  assert.equal((await bench.desk.listCodes(1))[0]?.code.triesLeft, 3);
  assert.equal((await bench.pair(secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk counts parallel guesses: twenty open sessions give five tries and no more", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  const wrong = wrongPin(secretText);
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
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  for (let guess = 1; guess <= 4; guess++) {
    // deno-lint-ignore no-await-in-loop -- one guess after the other
    await bench.failTry(secretText);
  }
  assert.equal((await bench.pair(secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk refuses a code past its time, and one that was replaced", async () => {
  await using bench = await PairingBench.open();
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
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ clientKind: "cli" });
  await assert.rejects(
    bench.begin(secretText),
    (thrown) => thrown instanceof PalyraError && thrown.message.includes("--kind node"),
  );
});

Deno.test("PairingDesk never flips a decision and never approves what has expired", async () => {
  await using bench = await PairingBench.open();
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
  await using bench = await PairingBench.open();
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
  await using bench = await PairingBench.open();
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
  await using bench = await PairingBench.open();
  const device = DeviceIdentity.generate(newDeviceId());
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  await bench.revoke(request.deviceId);
  const { secretText } = await bench.mint({ approve: true });
  await assert.rejects(bench.pair(secretText, device), isError("device_revoked"));
  assert.equal((await bench.pair(secretText)).request.state, "completed");
});

Deno.test("PairingDesk shows the operator every try that led to nothing, a right code by a revoked device too", async () => {
  await using bench = await PairingBench.open();
  const device = DeviceIdentity.generate(newDeviceId());
  const { request } = await bench.pair((await bench.mint({ approve: true })).secretText, device);
  await bench.revoke(request.deviceId);
  const { secretText } = await bench.mint({ approve: true });
  for (let attempt = 1; attempt <= 5; attempt++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(bench.pair(secretText, device), isError("device_revoked"));
  }
  await assert.rejects(bench.pair(secretText), isError("pairing_code_dead"));
  const [listed] = await bench.desk.listCodes(1);
  assert.equal(listed?.code.state, "dead");
  assert.equal(listed?.code.key, undefined);
  assert.deepEqual(listed?.failedTries.map((each) => each.reason), Array(5).fill("device_revoked"));
  assert.equal(listed?.failedTries[0]?.deviceId, device.deviceId);
});

Deno.test("PairingDesk refuses a replayed completion and an unknown session, and the code stays", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  const wrong = wrongPin(secretText);
  const attempt = await bench.answer(await bench.begin(secretText), wrong, DeviceIdentity.generate(newDeviceId()));
  await assert.rejects(bench.desk.complete(attempt.completion, FROM), isError("pairing_proof_failed"));
  await assert.rejects(bench.desk.complete(attempt.completion, FROM), isError("pairing_session_unknown"));
  const strange: PairingCompletion = { ...attempt.completion, sessionId: newDeviceId() };
  await assert.rejects(bench.desk.complete(strange, FROM), isError("pairing_session_unknown"));
  assert.equal((await bench.desk.listCodes(1))[0]?.code.triesLeft, 4);
});

Deno.test("PairingDesk tells a watcher of the decision", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  let told = 0;
  const unwatch = bench.desk.watch(request, () => told++);
  await bench.desk.decide(request.requestId, APPROVE);
  unwatch();
  assert.equal(told, 1);
});

Deno.test("PairingDesk counts a pending request only as long as it may be decided", async () => {
  await using bench = await PairingBench.open();
  const { request } = await bench.pair((await bench.mint()).secretText);
  assert.equal((await bench.desk.counts()).pendingRequests, 1);
  bench.now = request.expiresAt;
  assert.equal((await bench.desk.counts()).pendingRequests, 0);
  const expired = await bench.desk.listRequests({ state: "expired", limit: 1 });
  assert.deepEqual(expired.map(({ requestId, state }) => [requestId, state]), [[request.requestId, "expired"]]);
  assert.deepEqual(await bench.desk.listRequests({ state: "pending_approval", limit: 1 }), []);
});

Deno.test("PairingDesk lets a stranger with a whole IPv6 network open sessions as it likes, and the owner pairs", async () => {
  await using bench = await PairingBench.open();
  const { secretText } = await bench.mint({ method: "pin" });
  const begin = async (index: number) => {
    try {
      return await bench.desk.begin({ method: "pin" }, "node", `[2001:db8::${index.toString(16)}]:5000`);
    } catch (thrown) {
      return thrown;
    }
  };
  const outcomes = await Promise.all(Array.from({ length: 256 }, (_, index) => begin(index)));
  const refused = outcomes.filter((each) => each instanceof PalyraError);
  assert.equal(refused.length, 256 - MAX_PAIRING_STARTS_PER_SOURCE);
  assert.ok(refused.every((each) => each.code === "rate_limited"));
  assert.equal(bench.identity.openSessions, MAX_PAIRING_SESSIONS_PER_SOURCE);
  assert.equal((await bench.pair(secretText)).request.state, "pending_approval");
});

Deno.test("PairingDesk turns a source away that begins too often before it looks at the store", async () => {
  await using bench = await PairingBench.open();
  const unknown = { method: "qr", codeId: newUlid() } as const;
  for (let start = 0; start < MAX_PAIRING_STARTS_PER_SOURCE; start++) {
    // deno-lint-ignore no-await-in-loop -- one after the other
    await assert.rejects(bench.desk.begin(unknown, "node", FROM), isError("pairing_code_unknown"));
  }
  await assert.rejects(bench.desk.begin(unknown, "node", FROM), isError("rate_limited"));
});
