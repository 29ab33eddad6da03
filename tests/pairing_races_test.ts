import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DeviceIdentity } from "../identity/device_identity.ts";
import { newDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { EnrolmentConnection } from "../node_host/enrolment_connection.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { PairingDevice } from "./harness/pairing_device.ts";

/** Devices that try one code in the same moment: as many sessions as one source may have open. */
const RIVALS = 16;

/** Operators that decide in the same moment, half of them each way. */
const DECISIONS = 16;

/** The reason code of each that was refused, and undefined for each that was not. */
async function codesOf(calls: readonly Promise<unknown>[]): Promise<(string | undefined)[]> {
  const results = await Promise.allSettled(calls);
  return results.map((each) => each.status === "rejected" ? PalyraError.from(each.reason).code : undefined);
}

function race(name: string, body: (daemon: InProcessDaemon) => Promise<void>): void {
  Deno.test(name, CHANNEL_LEFTOVERS, async () => {
    await using daemon = await InProcessDaemon.start();
    await body(daemon);
  });
}

/** A few connections for many devices, as one source may have no more than eight. */
class Connections implements Disposable {
  readonly #open: readonly EnrolmentConnection[];

  private constructor(open: readonly EnrolmentConnection[]) {
    this.#open = open;
  }

  static async open(daemon: InProcessDaemon): Promise<Connections> {
    const device = await PairingDevice.create();
    return new Connections(await Promise.all([1, 2, 3, 4].map(() => device.connect(daemon.enrolment))));
  }

  of(index: number): EnrolmentConnection {
    return this.#open[index % this.#open.length] ?? assert.fail();
  }

  [Symbol.dispose](): void {
    for (const connection of this.#open) connection[Symbol.dispose]();
  }
}

function count(daemon: InProcessDaemon, table: string, where: string): number {
  using db = new DatabaseSync(daemon.database, { readOnly: true });
  return Number(db.prepare(`SELECT count(*) AS count FROM ${table} WHERE ${where}`).get()?.["count"]);
}

for (const method of ["qr", "pin"] as const) {
  race(
    `${RIVALS} devices that hold one ${method} code and prove it in the same moment: one is let in`,
    async (daemon) => {
      const { secretText, code } = await daemon.mint({ method, approve: true });
      using connections = await Connections.open(daemon);
      const rivals = await Promise.all(Array.from({ length: RIVALS }, async (_, index) => {
        const device = await PairingDevice.create();
        const connection = connections.of(index);
        return { device, connection, answer: await device.answer(connection, secretText) };
      }));
      const codes = await codesOf(rivals.map(({ connection, answer }) => connection.complete(answer.request)));
      const winners = rivals.filter((_, index) => codes[index] === undefined);
      assert.equal(winners.length, 1, `${codes}`);
      // Five tries are begun before the first is judged; all others come too late for that, and one of the five is right.
      const late = codes.filter((each) => each !== undefined);
      const refusals = ["pairing_session_unknown", "pairing_code_spent", "pairing_code_dead"];
      assert.ok(late.every((each) => refusals.includes(each)), `${codes}`);
      const [listed] = (await daemon.operator.listPairings({ state: "", clientKind: "", limit: 0 })).codes;
      assert.equal(listed?.state, "spent");
      assert.equal(count(daemon, "pairing_requests", `code_id = '${code?.codeId}'`), 1);
      assert.equal(count(daemon, "devices", "client_kind = 'node'"), 1);
      assert.equal(daemon.audit().filter(({ kind }) => kind === "pairing.requested").length, 1);
      assert.equal(daemon.audit().filter(({ kind }) => kind === "pairing.approved").length, 1);
      assert.equal(count(daemon, "pairing_codes", "key IS NOT NULL"), 0, "nothing could prove it again");

      // Nor do a restart, or the winner itself, bring it back.
      await daemon.restart();
      const [late1, winner] = [await PairingDevice.create(), winners[0]?.device ?? assert.fail()];
      for (const device of [late1, winner]) {
        // deno-lint-ignore no-await-in-loop -- one after the other
        assert.deepEqual(await codesOf([device.pair(daemon.enrolment, secretText)]), ["pairing_code_spent"]);
      }
    },
  );
}

race("S9: approving and rejecting one request in the same moment decides it once and for ever", async (daemon) => {
  const { operator } = daemon;
  for (let round = 0; round < 6; round++) {
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const device = await PairingDevice.create({ deviceName: `laptop-${round}` });
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const { requestId } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
    const decision = { requestId, reason: "", replace: false, only: undefined };
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const codes = await codesOf(
      Array.from(
        { length: DECISIONS },
        (_, index) => (index + round) % 2 === 0 ? operator.approvePairing(decision) : operator.rejectPairing(decision),
      ),
    );
    assert.equal(codes.filter((code) => code === undefined).length, 1, `${codes}`);
    assert.equal(codes.filter((code) => code === "pairing_decided").length, DECISIONS - 1);
    const decided = daemon.audit().filter(({ kind, subject }) =>
      subject === requestId && (kind === "pairing.approved" || kind === "pairing.rejected")
    );
    assert.equal(decided.length, 1);
    const approved = decided[0]?.kind === "pairing.approved";
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const { status, mtlsClientCertificatePem: pem } = await device.status(daemon.enrolment, requestId);
    assert.deepEqual([status, pem !== ""], approved ? ["completed", true] : ["rejected", false]);
    assert.equal(count(daemon, "devices", `device_id = '${device.identity.deviceId}'`), approved ? 1 : 0);
    // Completed or not, a decision does not flip.
    // deno-lint-ignore no-await-in-loop -- one round after the other
    assert.deepEqual(await codesOf([operator.approvePairing(decision), operator.rejectPairing(decision)]), [
      "pairing_decided",
      "pairing_decided",
    ]);
  }
});

race("F4: a device that asks many times at once for its certificate gets one, the same each time", async (daemon) => {
  const device = await PairingDevice.create();
  const { requestId } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
  const decision = { requestId, reason: "", replace: false, only: undefined };
  using connections = await Connections.open(daemon);
  const ask = () =>
    Promise.all(Array.from({ length: 12 }, (_, index) => device.statusOver(connections.of(index), requestId)));
  const asked = ask();
  await daemon.operator.approvePairing(decision);
  await asked;
  const answers = await ask();
  assert.equal(new Set(answers.map((each) => each.mtlsClientCertificatePem)).size, 1);
  assert.notEqual(answers[0]?.mtlsClientCertificatePem, "");
  assert.equal(count(daemon, "certificates", `device_id = '${device.identity.deviceId}'`), 1);
});

race("S11: revoking a device while it is approved leaves it shut out, whichever comes first", async (daemon) => {
  const { operator } = daemon;
  for (let round = 0; round < 4; round++) {
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const device = await PairingDevice.create({ deviceName: `laptop-${round}` });
    const { deviceId } = device.identity;
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const first = await device.pair(daemon.enrolment, (await daemon.mint({ approve: true })).secretText);
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const { requestId } = await device.pair(daemon.enrolment, (await daemon.mint()).secretText);
    const decision = { requestId, reason: "", replace: false, only: undefined };
    // deno-lint-ignore no-await-in-loop -- one round after the other
    const [revoked, approved] = await codesOf([
      operator.revokeDevice({ deviceId, reason: "stolen" }),
      operator.approvePairing(decision),
      device.status(daemon.enrolment, requestId),
    ]);
    assert.equal(revoked, undefined);
    assert.ok(approved === undefined || approved === "device_revoked", `${approved}`);
    // deno-lint-ignore no-await-in-loop -- one round after the other
    assert.equal((await operator.getDevice({ deviceId })).status, "revoked");
    for (const id of [first.requestId, requestId]) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      const { mtlsClientCertificatePem: pem } = await device.status(daemon.enrolment, id);
      assert.equal(pem, "");
    }
    assert.equal(count(daemon, "certificates", `device_id = '${deviceId}' AND revoked_at IS NULL`), 0);
  }
});

race("approving one request of a device grants what that one asked for, and ends the others", async (daemon) => {
  const identity = DeviceIdentity.generate(newDeviceId());
  const asking = async (wants: readonly string[]) => {
    const device = await PairingDevice.create({ identity, wants });
    return { device, ...await device.pair(daemon.enrolment, (await daemon.mint()).secretText) };
  };
  const [modest, greedy] = [await asking(["echo"]), await asking(["echo", "system.health", "desktop.open_url"])];
  const { operator } = daemon;
  const decision = { requestId: modest.requestId, reason: "", replace: false, only: undefined };
  await operator.approvePairing(decision);
  const { grantedCapabilities } = await operator.getDevice({ deviceId: identity.deviceId });
  assert.deepEqual(grantedCapabilities, ["echo"]);
  assert.deepEqual(await codesOf([operator.approvePairing({ ...decision, requestId: greedy.requestId })]), [
    "pairing_decided",
  ]);
  const { status, reason, mtlsClientCertificatePem: pem } = await greedy.device.status(
    daemon.enrolment,
    greedy.requestId,
  );
  assert.deepEqual([status, reason, pem], ["rejected", "superseded by a newer pairing", ""]);
  // The certificate of the one that was approved is for the key of its own request.
  const { mtlsClientCertificatePem } = await modest.device.status(daemon.enrolment, modest.requestId);
  assert.notEqual(mtlsClientCertificatePem, "");
});
