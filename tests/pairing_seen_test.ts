import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { PalyraError } from "../identity/palyra_error.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { Fleet } from "./harness/fleet.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { PairingDevice } from "./harness/pairing_device.ts";

const WRONG = ["000000", "111111"];

/** What the failure of a pairing is called. */
async function codeOf(pairing: Promise<unknown>): Promise<string> {
  return await pairing.then(() => "served", (thrown) => PalyraError.from(thrown).code);
}

/** Runs a command that must succeed and returns what a person reads, one space between columns. */
async function read(fleet: Fleet, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await fleet.tryPalyrad(...args);
  assert.equal(code, 0, stderr);
  return stdout.replaceAll(/ +/g, " ");
}

Deno.test(
  "the operator sees who tried a code in vain, in the list, the log and the audit",
  CHANNEL_LEFTOVERS,
  async () => {
    await using fleet = await Fleet.create();
    const { enrolment } = await fleet.startDaemon();
    const { secret_text: pin, code } = await fleet.palyrad("pairing", "code", "--pin");
    const wrong = WRONG.find((guess) => guess !== pin) ?? assert.fail();
    const thief = await PairingDevice.create();
    for (let tries = 0; tries < 5; tries++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      assert.equal(await codeOf(thief.pair(enrolment, wrong)), "pairing_proof_failed");
    }
    const { deviceId } = thief.identity;
    const list = await read(fleet, "pairing", "list");
    assert.match(list, new RegExp(`${code.code_id} pin node dead 5\n`));
    const failure = new RegExp(
      `${code.code_id} (now|\\d+ \\w+ ago) 127\\.0\\.0\\.1:\\d+ ${deviceId} pairing_proof_failed`,
      "g",
    );
    assert.equal(list.match(failure)?.length, 5, list);
    // Another PIN later, they are there to be seen all the same.
    await fleet.palyrad("pairing", "code", "--pin");
    assert.equal((await read(fleet, "pairing", "list")).match(failure)?.length, 5);

    const logged = fleet.daemon.output.split("\n").filter((line) => line.includes("tried and failed"));
    assert.equal(logged.length, 5);
    assert.ok(logged.every((line) => line.includes(deviceId) && line.includes("pairing_proof_failed")), logged.join());
    const { stdout } = await fleet.tryPalyrad("audit", "tail", "--json", "--kind", "pairing.failed");
    const records = stdout.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(records.length, 5);
    for (const { actor, subject, details } of records) {
      assert.match(actor, /^stranger at 127\.0\.0\.1:\d+$/);
      assert.deepEqual([subject, details], [
        code.code_id,
        { claimed_device_id: deviceId, reason_code: "pairing_proof_failed" },
      ]);
    }
  },
);

Deno.test("a failed try of a right code is seen too, and of one whose time is over", CHANNEL_LEFTOVERS, async () => {
  await using daemon = await InProcessDaemon.start();
  const { operator, enrolment } = daemon;
  const owner = await PairingDevice.create();
  await owner.pair(enrolment, (await daemon.mint({ approve: true })).secretText);
  await operator.revokeDevice({ deviceId: owner.identity.deviceId, reason: "stolen" });
  const { secretText, code } = await daemon.mint();
  // Right code, and a device that was shut out; right code, and a key that is not the one that signed.
  assert.equal(await codeOf(owner.pair(enrolment, secretText)), "device_revoked");
  const impostor = await PairingDevice.create();
  using connection = await impostor.connect(enrolment);
  const { request } = await impostor.answer(connection, secretText);
  const deviceSigningPublic = owner.identity.publicKey;
  assert.equal(await codeOf(connection.complete({ ...request, deviceSigningPublic })), "pairing_proof_failed");
  {
    using db = new DatabaseSync(daemon.database);
    db.prepare("UPDATE pairing_codes SET expires_at = 1 WHERE code_id = ?").run(code?.codeId ?? "");
  }
  const [listed] = (await operator.listPairings({ state: "", clientKind: "", limit: 0 })).codes;
  assert.deepEqual([listed?.codeId, listed?.state], [code?.codeId, "expired"]);
  const ids = [owner.identity.deviceId, impostor.identity.deviceId];
  assert.deepEqual(listed?.failedTries.map(({ deviceId, reason }) => [deviceId, reason]), [
    [ids[0], "device_revoked"],
    [ids[1], "pairing_proof_failed"],
  ]);
  assert.ok(listed?.failedTries.every((each) => each.atUnixMs > 0 && each.remoteAddress.startsWith("127.0.0.1:")));
});

Deno.test(
  "the commands that decide about capabilities say what they did, and what waits",
  CHANNEL_LEFTOVERS,
  async () => {
    await using fleet = await Fleet.create();
    await fleet.startDaemon();
    const { secret_text: token } = await fleet.palyrad("pairing", "code");
    const paired = fleet.node("laptop", ["pair", token, "--name", "laptop"]);
    await fleet.daemon.line((line) => line.includes("Device proved a pairing code."));
    const { requests: [request] } = await fleet.palyrad("pairing", "list");
    const end = request.request_id.slice(-4);
    assert.match(
      await read(fleet, "pairing", "list"),
      new RegExp(`${end} \\(laptop\\) asks for .*echo, system\\.health, `),
    );
    const refused = await fleet.tryPalyrad("pairing", "approve", end, "--only", "echo,teleport");
    assert.deepEqual([refused.code, /does not ask for teleport/.test(refused.stderr)], [2, true], refused.stderr);
    const approved = await fleet.palyrad("pairing", "approve", end, "--only", "echo");
    assert.deepEqual(approved.granted_capabilities, ["echo"]);
    assert.equal((await paired).code, 0);
    await fleet.connect("laptop");
    const pending = await fleet.daemon.line((line) => line.includes("nobody has granted"));
    assert.match(pending, /palyrad devices grant.*system\.health/);

    const shown = await read(fleet, "devices", "show", request.device_id);
    assert.match(shown, /granted echo\n/);
    assert.match(shown, /undecided .*system\.health, .*\(palyrad devices grant or deny\)/);
    const invoked = await fleet.tryPalyrad("nodes", "invoke", "laptop", "system.health");
    assert.equal(invoked.code, 6, invoked.stderr);
    assert.match(invoked.stderr, new RegExp(`palyrad devices grant ${request.device_id} system\\.health`));
    assert.match(
      await read(fleet, "devices", "grant", "laptop", "system.health"),
      /granted echo, system\.health\n/,
    );
    assert.equal((await fleet.tryPalyrad("nodes", "invoke", "laptop", "system.health")).code, 0);
    const denied = await fleet.palyrad("devices", "deny", "laptop", "echo", "system.identity");
    assert.deepEqual(denied.granted_capabilities, ["system.health"]);
    assert.deepEqual(denied.denied_capabilities, ["echo", "system.identity"]);
    const described = await read(fleet, "nodes", "describe", "laptop");
    assert.match(described, /echo \S+ yes denied/);
    assert.match(described, /system\.health \S+ yes yes/);
    assert.equal((await fleet.tryPalyrad("nodes", "invoke", "laptop", "echo")).code, 6);
    const wrong = await fleet.tryPalyrad("devices", "grant", "laptop", "Echo");
    assert.deepEqual([wrong.code, /lower case/.test(wrong.stderr)], [2, true], wrong.stderr);
  },
);
