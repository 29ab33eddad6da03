import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { parseQrToken } from "../identity/qr_token.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { Fleet } from "./harness/fleet.ts";
import { operatorOf } from "./harness/operator.ts";
import { PairingDevice } from "./harness/pairing_device.ts";
import { say } from "./harness/say.ts";

/** How long after the decisive message the daemon is killed, in milliseconds, one round each. */
const KILLED_AFTER_MS = [0, 2, 4, 8, 16, 40];

/** What may never be so, whatever was cut off: rows that break a rule. */
const RULES: readonly { readonly rule: string; readonly breaches: string }[] = [
  {
    rule: "a code is spent by exactly one request, and only then has one",
    breaches: `SELECT code_id FROM pairing_codes AS code WHERE
      (SELECT count(*) FROM pairing_requests WHERE code_id = code.code_id) <> (state = 'spent')`,
  },
  {
    rule: "what could prove a code is gone when it is not live",
    breaches: "SELECT code_id FROM pairing_codes WHERE state <> 'live' AND key IS NOT NULL",
  },
  {
    rule: "a device is there when a request of it was approved, and only then",
    breaches: `SELECT device_id FROM pairing_requests WHERE state IN ('approved', 'completed') <>
      (device_id IN (SELECT device_id FROM devices))`,
  },
  {
    rule: "a request is completed when its certificate is there, and only then",
    breaches: `SELECT request_id FROM pairing_requests WHERE (state = 'completed') <>
      (device_id IN (SELECT device_id FROM certificates))`,
  },
  {
    rule: "everything that happened is in the audit",
    breaches: `SELECT request_id FROM pairing_requests WHERE 1 <>
      (SELECT count(*) FROM audit WHERE kind = 'pairing.requested' AND subject = request_id)
      OR (state IN ('approved', 'completed')) <>
      (SELECT count(*) FROM audit WHERE kind = 'pairing.approved' AND subject = request_id)`,
  },
];

function assertSound(fleet: Fleet): void {
  using db = new DatabaseSync(join(fleet.daemonRoot, "palyrad", "palyrad.sqlite"), { readOnly: true });
  for (const { rule, breaches } of RULES) assert.deepEqual(db.prepare(breaches).all(), [], rule);
}

/** What the database holds of a code or request under its id. */
function stored(fleet: Fleet, table: "pairing_codes" | "pairing_requests", id: string): string {
  using db = new DatabaseSync(join(fleet.daemonRoot, "palyrad", "palyrad.sqlite"), { readOnly: true });
  const key = table === "pairing_codes" ? "code_id" : "request_id";
  return String(db.prepare(`SELECT state FROM ${table} WHERE ${key} = ?`).get(id)?.["state"]);
}

const isSpent = (thrown: unknown) => thrown instanceof PalyraError && thrown.code === "pairing_code_spent";

Deno.test(
  "a daemon killed in the middle of pairing has spent a code and stored its request, or neither; and goes on",
  CHANNEL_LEFTOVERS,
  async () => {
    await using fleet = await Fleet.create();
    const { nodeRpc, enrolment } = await fleet.startDaemon();
    const ends = new Map<string, number>();
    const kill = async (afterMs: number, step: Promise<unknown>) => {
      const cut = step.then(() => {}, () => {});
      await sleep(afterMs);
      await fleet.restartDaemon("SIGKILL");
      await cut;
      assertSound(fleet);
    };
    for (const [round, afterMs] of KILLED_AFTER_MS.entries()) {
      // deno-lint-ignore no-await-in-loop -- one round after the other
      await (async () => {
        const device = await PairingDevice.create({ deviceName: `laptop-${round}` });
        const minted = await mint(fleet, nodeRpc, round % 2 === 0);
        const { codeId } = parseQrToken(minted);
        using connection = await device.connect(enrolment);
        const { request } = await device.answer(connection, minted);
        await kill(afterMs, connection.complete(request));

        let requestId = request.sessionId;
        const state = stored(fleet, "pairing_codes", codeId);
        ends.set(`code ${state}`, (ends.get(`code ${state}`) ?? 0) + 1);
        if (state === "live") {
          // The try that was cut off led to nothing, and the owner's code was not burnt by it.
          ({ requestId } = await device.pair(enrolment, minted));
        } else {
          assert.equal(state, "spent");
        }
        await assert.rejects(device.pair(enrolment, minted), isSpent);

        if (round % 2 !== 0) {
          using operator = await operatorOf(fleet, nodeRpc);
          const order = { requestId, reason: "", replace: false, only: undefined };
          await kill(afterMs, operator.approvePairing(order));
          const decided = stored(fleet, "pairing_requests", requestId);
          ends.set(`request ${decided}`, (ends.get(`request ${decided}`) ?? 0) + 1);
          using again = await operatorOf(fleet, nodeRpc);
          if (decided === "pending_approval") await again.approvePairing(order);
          else await assert.rejects(again.rejectPairing(order), PalyraError);
        }
        // Whatever was cut off, the device gets its certificate in the end, and the same one again.
        const first = await device.status(enrolment, requestId);
        const second = await device.status(enrolment, requestId);
        assert.equal(first.status, "completed");
        assert.notEqual(first.mtlsClientCertificatePem, "");
        assert.equal(second.mtlsClientCertificatePem, first.mtlsClientCertificatePem);
        assertSound(fleet);
      })();
    }
    say(
      `killed ${KILLED_AFTER_MS.length * 3 / 2} times: ${
        [...ends].map(([end, times]) => `${end} ${times}`).join(", ")
      }`,
    );
    assert.equal((await fleet.tryPalyrad("audit", "verify")).code, 0);
  },
);

async function mint(fleet: Fleet, nodeRpc: string, approve: boolean): Promise<string> {
  using operator = await operatorOf(fleet, nodeRpc);
  return (await operator.mintPairingCode({ method: "qr", ttlMs: 0, approve, clientKind: "node" })).secretText;
}

Deno.test("F5: a node that is killed while it waits for its approval goes on with the same request", async () => {
  await using fleet = await Fleet.create();
  await fleet.startDaemon();
  const { secret_text: token } = await fleet.palyrad("pairing", "code");
  const first = await fleet.startNode("laptop", ["pair", token, "--name", "laptop"]);
  await fleet.daemon.line((line) => line.includes("Device proved a pairing code."));
  // It says so once what it needs to go on is on its disk.
  await first.line((line) => /approv/i.test(line));
  first.kill("SIGKILL");
  await first.ended;
  const { requests: [request] } = await fleet.palyrad("pairing", "list");
  await fleet.palyrad("pairing", "approve", request.request_id);
  const resumed = await fleet.node("laptop", ["pair"]);
  assert.equal(resumed.code, 0, resumed.stderr);
  const { requests } = await fleet.palyrad("pairing", "list");
  assert.deepEqual(requests.map((each: { state: string }) => each.state), ["completed"]);
  await fleet.connect("laptop");
  assertSound(fleet);
});
