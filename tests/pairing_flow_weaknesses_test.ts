import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { newDeviceId } from "../identity/device_id.ts";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { unixMs } from "../identity/unix_ms.ts";
import { PAIRING_DECISION_MS } from "../daemon/pairing_desk.ts";
import { APPROVE, HOUR_MS, isError, PairingBench } from "../daemon/testing/pairing_bench.ts";
import type { CompletePairingSessionRequest } from "../proto/gen/node.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { PairingDevice } from "./harness/pairing_device.ts";

async function codeOf(call: Promise<unknown>): Promise<string> {
  return await call.then(() => "served", (thrown) => PalyraError.from(thrown).code);
}

async function firstCode({ operator }: InProcessDaemon) {
  const [code] = (await operator.listPairings({ state: "", clientKind: "", limit: 0 })).codes;
  return code ?? assert.fail();
}

Deno.test("F1: a code of thirty seconds leaves a day for the decision, and what was approved does not expire", async () => {
  await using bench = await PairingBench.open();
  const { secretText, code } = await bench.mint({ ttlMs: 30_000 });
  const open = await bench.answer(
    await bench.begin(secretText),
    secretText,
    DeviceIdentity.generate(newDeviceId()),
  );
  bench.now = unixMs(code.expiresAt - 1);
  const { request } = await bench.desk.complete(open.completion, "192.0.2.7:50000");
  assert.equal(request.expiresAt, bench.now + PAIRING_DECISION_MS);
  bench.now = unixMs(request.expiresAt - 1);
  await bench.desk.decide(request.requestId, APPROVE);
  // It comes for its certificate a week later.
  bench.now = unixMs(bench.now + 7 * 24 * HOUR_MS);
  const { certificate } = await bench.desk.status(request.requestId);
  assert.ok(certificate !== undefined && certificate.expiresAt > bench.now);
});

Deno.test(
  "F2: a malformed completion, an abandoned session and a restart leave the code to its owner",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    const { secretText } = await daemon.mint();
    const device = await PairingDevice.create();
    {
      using connection = await device.connect(daemon.enrolment);
      // Begun and never answered.
      for (let session = 0; session < 3; session++) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        await device.begin(connection, secretText);
      }
      assert.equal((await firstCode(daemon)).triesLeft, 5);
      // Answered by nonsense: too short a key, no request for a certificate, text that is no base64, another id.
      const malformed: Partial<CompletePairingSessionRequest>[] = [
        { deviceSigningPublic: new Uint8Array(31) },
        { csrDer: new Uint8Array([0x30, 0x03, 0x02, 0x01]) },
        { proof: "no base64!" },
        { deviceId: { ulid: "not an id" } },
      ];
      for (const changes of malformed) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        const { request } = await device.answer(connection, secretText);
        // deno-lint-ignore no-await-in-loop -- one after the other
        const code = await codeOf(connection.complete({ ...request, ...changes }));
        assert.match(code, /^invalid_/, Object.keys(changes).join());
      }
    }
    const { state, triesLeft, failedTries } = await firstCode(daemon);
    // What could not even be read as an answer costs nothing; what could, a try.
    assert.deepEqual([state, triesLeft], ["live", 3]);
    assert.deepEqual(failedTries.map(({ reason }) => reason), [
      "invalid_pairing_message",
      "invalid_certificate_request",
    ]);

    {
      using connection = await device.connect(daemon.enrolment);
      const { request } = await device.answer(connection, secretText);
      await daemon.restart();
      using again = await device.connect(daemon.enrolment);
      assert.equal(await codeOf(again.complete(request)), "pairing_session_unknown");
    }
    assert.equal((await firstCode(daemon)).triesLeft, 3, "nor does a restart in the middle cost anything");
    const { reason } = await device.pair(daemon.enrolment, secretText);
    assert.equal(reason, "pending_approval");
    assert.equal((await firstCode(daemon)).state, "spent");
  },
);

Deno.test(
  "F4: everything that a step of pairing writes is there or is not, as one",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    const { secretText } = await daemon.mint({ approve: true });
    const device = await PairingDevice.create();
    // The last row that an admission writes cannot be written.
    {
      using db = new DatabaseSync(daemon.database);
      db.exec(`CREATE TRIGGER full BEFORE INSERT ON audit WHEN NEW.kind = 'pairing.approved'
        BEGIN SELECT RAISE(ABORT, 'no room'); END`);
    }
    assert.notEqual(await codeOf(device.pair(daemon.enrolment, secretText)), "served");
    {
      using db = new DatabaseSync(daemon.database);
      db.exec("DROP TRIGGER full");
      assert.deepEqual(db.prepare("SELECT * FROM pairing_requests").all(), []);
      assert.deepEqual(db.prepare("SELECT * FROM devices WHERE client_kind = 'node'").all(), []);
    }
    assert.equal((await firstCode(daemon)).state, "live");
    const { paired } = await device.pair(daemon.enrolment, secretText);
    assert.equal(paired, true);
  },
);

Deno.test("F6: a new PIN ends the one before it and says so, and no request stays behind without its decision", async () => {
  await using bench = await PairingBench.open();
  const first = await bench.mint({ method: "pin" });
  const second = await bench.mint({ method: "pin" });
  assert.equal(second.replacedCodeId, first.code.codeId);
  const [newest, older] = await bench.desk.listCodes(2);
  assert.deepEqual([newest?.code.state, older?.code.state], ["live", "replaced"]);
  const { request } = await bench.pair(second.secretText);
  bench.now = request.expiresAt;
  await assert.rejects(bench.desk.decide(request.requestId, APPROVE), isError("pairing_expired"));
  assert.deepEqual((await bench.desk.listRequests({ limit: 10 })).map(({ state }) => state), ["expired"]);
});

/** What a device may say of itself, and too much of it. */
const OVERSIZED: readonly [what: string, changes: Partial<CompletePairingSessionRequest>, code: string][] = [
  ["a long platform", { platform: "p".repeat(65) }, "invalid_pairing_message"],
  ["a long name", { deviceName: "n".repeat(65) }, "invalid_pairing_message"],
  ["a name that moves the cursor", { deviceName: "laptop\u001b[2J" }, "invalid_pairing_message"],
  ["a name that runs backwards", { deviceName: "lap\u202etop" }, "invalid_pairing_message"],
  [
    "more capabilities than a node has",
    { requestedCapabilities: Array.from({ length: 65 }, (_, index) => `c${index}`) },
    "invalid_pairing_message",
  ],
  ["a capability's name in capitals", { requestedCapabilities: ["Echo"] }, "invalid_pairing_message"],
  ["a long certificate request", { csrDer: new Uint8Array(32_000) }, "invalid_pairing_message"],
];

Deno.test(
  "S16: a device that says too much of itself is refused, and nothing of it is kept",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    const device = await PairingDevice.create();
    for (const [what, changes, code] of OVERSIZED) {
      // deno-lint-ignore no-await-in-loop -- one after the other, each with a code of its own
      const { secretText } = await daemon.mint();
      // deno-lint-ignore no-await-in-loop -- one after the other
      using connection = await device.connect(daemon.enrolment);
      // deno-lint-ignore no-await-in-loop -- one after the other
      const { request } = await device.answer(connection, secretText);
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal(await codeOf(connection.complete({ ...request, ...changes })), code, what);
    }
    // A message beyond the listener's bound is not even read.
    const { secretText } = await daemon.mint();
    using connection = await device.connect(daemon.enrolment);
    const { request } = await device.answer(connection, secretText);
    const huge = connection.complete({ ...request, platform: "p".repeat(100_000) });
    assert.equal(await codeOf(huge), "message_too_large");
    assert.equal((await firstCode(daemon)).triesLeft, 5);
    const { requests } = await daemon.operator.listPairings({ state: "", clientKind: "", limit: 0 });
    assert.deepEqual(requests, []);
    assert.equal((await device.pair(daemon.enrolment, secretText)).reason, "pending_approval");
  },
);
