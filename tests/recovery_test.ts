import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { MAX_RECOVERIES_PER_DEVICE } from "../daemon/device_recovery_desk.ts";
import { createCertificateRequest } from "../identity/certificate_request.ts";
import { parseEndpoint } from "../identity/endpoint.ts";
import { isCanonicalUlid } from "../identity/device_id.ts";
import { signRecovery } from "../identity/device_recovery.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import { TlsKey } from "../identity/tls_key.ts";
import type { EnrolmentConnection } from "../node_host/enrolment_connection.ts";
import type { DeviceView } from "../proto/gen/admin.ts";
import { CHANNEL_LEFTOVERS } from "../transport/grpc/testing/channel_leftovers.ts";
import { InProcessDaemon } from "./harness/in_process_daemon.ts";
import { MovedRelay } from "./harness/moved_relay.ts";
import { PairingDevice } from "./harness/pairing_device.ts";
import { RestartedNode } from "./harness/restarted_node.ts";
import { within } from "./harness/within.ts";

const SHORT_MS = 1_000;
const DAY_MS = 86_400_000;

/** How long a node may take over what it does by itself, in milliseconds. */
const PATIENCE_MS = 60_000;

const isCode = (code: ReasonCode) => (thrown: unknown) => thrown instanceof PalyraError && thrown.code === code;

/** Whether the node answers what it is asked. */
async function answers(daemon: InProcessDaemon, deviceId: string): Promise<void> {
  const inputJson = new TextEncoder().encode('{"text":"there?"}');
  const { state, error } = await daemon.operator.execute({
    deviceId,
    capability: "echo",
    inputJson,
    timeoutMs: 30_000,
  });
  assert.equal(state, "succeeded", error);
}

const deviceOf = (daemon: InProcessDaemon, node: RestartedNode): Promise<DeviceView> =>
  daemon.operator.getDevice({ deviceId: node.deviceId });

/** A daemon, and a node whose certificate has expired while it was off. */
async function withExpiredNode(
  settings: Readonly<Record<string, string>>,
  test: (daemon: InProcessDaemon, node: RestartedNode) => Promise<void>,
): Promise<void> {
  await using daemon = await InProcessDaemon.start();
  await using node = await RestartedNode.enrol(daemon, SHORT_MS);
  await daemon.restart(settings);
  await node.untilExpired();
  await test(daemon, node);
}

for (const transport of ["quic", "grpc", "auto"] as const) {
  Deno.test(
    `a node that was off longer than its certificate comes back by itself over ${transport}`,
    CHANNEL_LEFTOVERS,
    async () => {
      await withExpiredNode({}, async (daemon, node) => {
        await node.start({ transport });
        await within(PATIENCE_MS, "the recovery", node.connected());
        assert.ok(node.statuses.some(({ state }) => state === "recovering"));
        await answers(daemon, node.deviceId);
        const device = await deviceOf(daemon, node);
        assert.equal(device.recoveryCount, 1);
        assert.equal(device.recoveryAlarm, "");
        assert.deepEqual(device.recoveries.map(({ remoteAddress }) => remoteAddress), ["127.0.0.1"]);
        assert.equal(device.recoveries[0]?.fingerprint, device.certificates.at(-1)?.fingerprint);
        assert.ok(daemon.audit().some(({ kind }) => kind === "certificate.recovered"));
        await node.stop();
        await node.start({ transport });
        await within(PATIENCE_MS, "the next start", node.connected());
        assert.equal((await deviceOf(daemon, node)).recoveryCount, 1, "its certificate is on the disk");
      });
    },
  );
}

const REFUSALS: readonly {
  readonly who: string;
  readonly code: ReasonCode;
  readonly settings?: Readonly<Record<string, string>>;
  readonly prepare: (daemon: InProcessDaemon, deviceId: string) => Promise<unknown>;
}[] = [
  {
    who: "that its operator forbids it",
    code: "recovery_forbidden",
    prepare: ({ operator }, deviceId) =>
      operator.setDeviceRecovery({ deviceId, allowed: false, acknowledgeAlarm: false }),
  },
  {
    who: "of a daemon that lets none recover",
    code: "recovery_forbidden",
    settings: { PALYRA_ENROLMENT_RECOVERY: "false" },
    prepare: () => Promise.resolve(),
  },
  {
    who: "that was revoked",
    code: "device_revoked",
    prepare: ({ operator }, deviceId) => operator.revokeDevice({ deviceId, reason: "stolen" }),
  },
  {
    who: "that was removed",
    code: "device_unknown",
    prepare: ({ operator }, deviceId) => operator.removeDevice({ deviceId, reason: "" }),
  },
];

for (const { who, code, settings = {}, prepare } of REFUSALS) {
  Deno.test(
    `a node ${who} does not come back when its certificate has expired, and says why`,
    CHANNEL_LEFTOVERS,
    async () => {
      await withExpiredNode(settings, async (daemon, node) => {
        await prepare(daemon, node.deviceId);
        await node.start({ transport: "grpc" });
        await assert.rejects(within(PATIENCE_MS, "the refusal", node.ended), isCode(code));
        const last = node.statuses.at(-1);
        assert.equal(last?.lastFailure?.code, code);
        assert.match(last.lastFailure.message, /palyra-node (unpair|pair)/);
      });
    },
  );
}

Deno.test(
  "a node that was told not to recover stays out when its certificate has expired, and says so",
  CHANNEL_LEFTOVERS,
  async () => {
    await withExpiredNode({}, async (daemon, node) => {
      await node.start({ transport: "grpc", recovery: false });
      const waiting = await within(PATIENCE_MS, "the refusal", node.status(({ state }) => state === "waiting"));
      assert.equal(waiting.lastFailure?.code, "certificate_expired");
      assert.equal((await deviceOf(daemon, node)).recoveryCount, 0);
    });
  },
);

Deno.test(
  "a node whose state folder was restored from a backup comes back by itself, without an alarm",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, DAY_MS);
    await daemon.restart();
    const restore = await node.backUp();
    await node.start({ transport: "auto" });
    const { epoch = 0 } = await within(PATIENCE_MS, "the first session", node.connected());
    assert.equal((await daemon.operator.rotateDevice({ deviceId: node.deviceId })).asked, true);
    await within(PATIENCE_MS, "the renewal", node.status((each) => (each.epoch ?? 0) > epoch));
    await node.stop();
    await restore();
    await node.start({ transport: "auto" });
    await within(PATIENCE_MS, "the recovery", node.connected());
    assert.ok(node.statuses.some(({ lastFailure }) => lastFailure?.code === "certificate_superseded"));
    const device = await deviceOf(daemon, node);
    assert.equal(device.recoveryCount, 1);
    assert.equal(device.recoveryAlarm, "");
    assert.deepEqual(device.certificates.map(({ revokedReason }) => revokedReason), ["superseded", "superseded", ""]);
  },
);

Deno.test(
  "a node whose certificate its daemon does not know, as after a restore there, comes back by itself",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, DAY_MS);
    {
      using db = new DatabaseSync(daemon.database);
      db.prepare("DELETE FROM certificates WHERE device_id = ?").run(node.deviceId);
    }
    await daemon.restart();
    await node.start({ transport: "grpc" });
    await within(PATIENCE_MS, "the recovery", node.connected());
    assert.ok(node.statuses.some(({ lastFailure }) => lastFailure?.code === "device_unknown"));
    await answers(daemon, node.deviceId);
  },
);

Deno.test("a node whose certificate alone was revoked comes back by its device key", CHANNEL_LEFTOVERS, async () => {
  await using daemon = await InProcessDaemon.start();
  await using node = await RestartedNode.enrol(daemon, DAY_MS);
  await daemon.restart();
  await node.start({ transport: "quic" });
  await within(PATIENCE_MS, "the first session", node.connected());
  const [certificate] = (await deviceOf(daemon, node)).certificates;
  await daemon.operator.revokeCertificate({ fingerprint: certificate?.fingerprint ?? "", reason: "its key was seen" });
  await within(PATIENCE_MS, "the recovery", node.status(({ state, epoch = 0 }) => state === "connected" && epoch > 1));
  assert.equal((await deviceOf(daemon, node)).recoveryCount, 1);
});

Deno.test(
  "a copied device key shows: the alarm is raised when the two machines recover in turn",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, SHORT_MS);
    await daemon.restart();
    await node.untilExpired();
    await using clone = await node.copy();
    await using enrolment = await MovedRelay.listen(parseEndpoint(daemon.enrolment), "127.0.0.2");
    await using nodeRpc = await MovedRelay.listen(parseEndpoint(daemon.nodeRpc), "127.0.0.2");
    await clone.start({ transport: "grpc", enrolment: enrolment.endpoint, nodeRpc: nodeRpc.endpoint });
    await within(PATIENCE_MS, "the copy's recovery", clone.connected());
    assert.equal((await deviceOf(daemon, node)).recoveryAlarm, "", "it is the first");
    await node.start({ transport: "grpc" });
    await within(PATIENCE_MS, "the real one's recovery", node.connected());
    const device = await deviceOf(daemon, node);
    assert.match(device.recoveryAlarm, /from 127\.0\.0\.1 while it was connected from 127\.0\.0\.2/);
    assert.ok(
      daemon.audit().some(({ kind, subject }) => kind === "device.recovery_alarm" && subject === node.deviceId),
    );
    await Promise.all([clone.stop(), node.stop()]);
    const calm = await daemon.operator.setDeviceRecovery({ deviceId: node.deviceId, acknowledgeAlarm: true });
    assert.equal(calm.recoveryAlarm, "");
    assert.ok(calm.recoveryCount >= 2);
  },
);

Deno.test(
  "a copied certificate shows: the alarm is raised when the device finds itself replaced, although the copy is gone",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    await using node = await RestartedNode.enrol(daemon, DAY_MS);
    await daemon.restart();
    await using clone = await node.copy();
    await using nodeRpc = await MovedRelay.listen(parseEndpoint(daemon.nodeRpc), "127.0.0.2");
    await clone.start({ transport: "grpc", nodeRpc: nodeRpc.endpoint });
    const { epoch = 0 } = await within(PATIENCE_MS, "the copy's session", clone.connected());
    assert.equal((await daemon.operator.rotateDevice({ deviceId: node.deviceId })).asked, true);
    await within(PATIENCE_MS, "the copy's renewal", clone.status((each) => (each.epoch ?? 0) > epoch));
    await clone.stop();
    await node.start({ transport: "grpc" });
    await within(PATIENCE_MS, "the real one's recovery", node.connected());
    const { recoveryAlarm } = await deviceOf(daemon, node);
    assert.match(recoveryAlarm, /from 127\.0\.0\.1 although .* connected from 127\.0\.0\.2 before/);
  },
);

/** A device that proves its key one message at a time. */
class RecoveringDevice {
  private constructor(readonly device: PairingDevice, readonly csrDer: Uint8Array) {}

  static async paired(daemon: InProcessDaemon): Promise<RecoveringDevice> {
    const { secretText } = await daemon.mint({ approve: true });
    const device = await PairingDevice.create();
    await device.pair(daemon.enrolment, secretText);
    return new RecoveringDevice(device, await newRequest(device));
  }

  async connect(endpoint: string): Promise<EnrolmentConnection> {
    return await this.device.connect(endpoint);
  }

  /** Takes a challenge, and makes the answer to it. */
  async prove(connection: EnrolmentConnection) {
    const { deviceId } = this.device.identity;
    const { recoveryId, challenge } = await connection.beginRecovery({ v: 1, deviceId: { ulid: deviceId } });
    assert.ok(isCanonicalUlid(recoveryId));
    const transcript = { ...connection.observed, recoveryId, challenge, deviceId, csrDer: this.csrDer };
    const signature = signRecovery(this.device.identity, transcript);
    return { v: 1, recoveryId, deviceId: { ulid: deviceId }, csrDer: this.csrDer, signature };
  }
}

async function newRequest({ identity: { deviceId } }: PairingDevice): Promise<Uint8Array> {
  return await createCertificateRequest({ deviceId, tlsKey: await TlsKey.generate() });
}

Deno.test("a recovery's answer is good once, for its own request, device and listener", CHANNEL_LEFTOVERS, async () => {
  await using daemon = await InProcessDaemon.start();
  const recovering = await RecoveringDevice.paired(daemon);
  using connection = await recovering.connect(daemon.enrolment);
  const proof = await recovering.prove(connection);
  const recovered = await connection.completeRecovery(proof);
  assert.ok(recovered.mtlsClientCertificatePem.includes("BEGIN CERTIFICATE"));
  await assert.rejects(connection.completeRecovery(proof), isCode("recovery_unknown"), "a replay");
  const csrDer = await newRequest(recovering.device);
  const prove = () => recovering.prove(connection);
  await assert.rejects(connection.completeRecovery({ ...await prove(), csrDer }), isCode("recovery_proof_failed"));
  const { recoveryId } = await prove();
  await assert.rejects(connection.completeRecovery({ ...await prove(), recoveryId }), isCode("recovery_proof_failed"));
  const other = (await RecoveringDevice.paired(daemon)).device.identity;
  const asOther = { ...await prove(), deviceId: { ulid: other.deviceId } };
  await assert.rejects(connection.completeRecovery(asOther), isCode("recovery_unknown"));
  const deviceId = { ulid: other.deviceId };
  await assert.rejects(connection.beginRecovery({ v: 2, deviceId }), isCode("protocol_mismatch"));
  const { operator } = daemon;
  assert.equal((await operator.getDevice({ deviceId: recovering.device.identity.deviceId })).recoveryCount, 1);
});

Deno.test(
  "a device recovers six times in an hour and no more, also after a restart of the daemon",
  CHANNEL_LEFTOVERS,
  async () => {
    await using daemon = await InProcessDaemon.start();
    const recovering = await RecoveringDevice.paired(daemon);
    const recover = async () => {
      using connection = await recovering.connect(daemon.enrolment);
      return await connection.completeRecovery(await recovering.prove(connection));
    };
    for (let count = 0; count < MAX_RECOVERIES_PER_DEVICE; count++) {
      // deno-lint-ignore no-await-in-loop -- one after the other
      await recover();
    }
    await assert.rejects(recover(), isCode("rate_limited"));
    await daemon.restart();
    await assert.rejects(recover(), isCode("rate_limited"));
    const { deviceId } = recovering.device.identity;
    const { recoveryCount, recoveries } = await daemon.operator.getDevice({ deviceId });
    assert.deepEqual([recoveryCount, recoveries.length], [MAX_RECOVERIES_PER_DEVICE, MAX_RECOVERIES_PER_DEVICE]);
  },
);
