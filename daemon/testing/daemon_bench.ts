import { newDeviceId } from "../../identity/device_id.ts";
import { DeviceIdentity } from "../../identity/device_identity.ts";
import { TlsKey } from "../../identity/tls_key.ts";
import { AdminFace } from "../admin_face.ts";
import { CapabilityQueue } from "../capability_queue.ts";
import { CertificateIssuer } from "../certificate_issuer.ts";
import { DeviceAdministration } from "../device_administration.ts";
import { DeviceEventLog } from "../device_event_log.ts";
import type { KnownPeer } from "../device_registry.ts";
import { admitLocalOperator } from "../local_operator.ts";
import type { NodeRegistration } from "../node_registration.ts";
import { NodeRuntimeState } from "../node_runtime_state.ts";
import { NodeSessionServer } from "../node_session_server.ts";
import type { DeviceRecord } from "../store/device_record.ts";
import { HOUR_MS, PairingBench } from "./pairing_bench.ts";

const NOTHING_DECLARED: NodeRegistration = { platform: "", deviceName: "", softwareVersion: "", capabilities: [] };

/** All of a daemon but its listeners, on a real store, with a clock that can be moved. */
export class DaemonBench implements AsyncDisposable {
  private constructor(
    readonly pairing: PairingBench,
    readonly runtime: NodeRuntimeState,
    readonly queue: CapabilityQueue,
    readonly events: DeviceEventLog,
    readonly administration: DeviceAdministration,
    readonly issuer: CertificateIssuer,
    readonly admin: AdminFace,
  ) {}

  static async open(): Promise<DaemonBench> {
    const pairing = await PairingBench.open();
    const { store, identity, devices, desk, clock } = pairing;
    const runtime = await NodeRuntimeState.load(store, devices, clock);
    const queue = await CapabilityQueue.open({ store, policy: runtime, clock });
    const events = new DeviceEventLog({ store, devices, clock });
    const sessions = new NodeSessionServer({ devices, runtime, queue, events, clock, trustBundlePem: () => "" });
    const administration = new DeviceAdministration({ store, devices, runtime, queue, sessions, desk, events, clock });
    const issuer = new CertificateIssuer({ store, identity, devices, clock, certificateValidityMs: 24 * HOUR_MS });
    const admin = new AdminFace({
      store,
      devices,
      runtime,
      queue,
      desk,
      administration,
      enrolmentEndpoints: () => ["127.0.0.1:7445"],
      status: () => Promise.reject(new Error("nobody asks for the status here")),
    });
    return new DaemonBench(pairing, runtime, queue, events, administration, issuer, admin);
  }

  /** Pairs a device as an operator approves it, under a name of its own. */
  async pairedNode(deviceName: string): Promise<DeviceRecord> {
    const { pairing } = this;
    const { secretText } = await pairing.mint({ approve: true });
    const device = DeviceIdentity.generate(newDeviceId());
    const attempt = await pairing.answer(await pairing.begin(secretText), secretText, device, { deviceName });
    const { request } = await pairing.desk.complete(attempt.completion, "192.0.2.7:50000");
    const record = pairing.devices.get(request.deviceId);
    if (record === undefined) throw new Error("the device was not paired");
    return record;
  }

  /** Registers what a node declares, as its Hello would. */
  async register(device: DeviceRecord, declared: Partial<NodeRegistration>): Promise<void> {
    await this.runtime.register(device.deviceId, { ...NOTHING_DECLARED, ...declared });
  }

  /** The operator of this machine, as a call of its would be known. */
  async localOperator(): Promise<KnownPeer> {
    const { store, secrets, devices, clock } = this.pairing;
    const device = await admitLocalOperator({ store, secrets, devices, clock }, await TlsKey.generate());
    const { deviceId, identityFingerprint, pairedAt } = device;
    const certificate = {
      deviceId,
      fingerprint: identityFingerprint,
      issuedAt: pairedAt,
      expiresAt: pairedAt,
      pem: "",
      caFingerprint: identityFingerprint,
    };
    return { device, certificate };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.events.close();
    this.queue.close();
    await this.pairing[Symbol.asyncDispose]();
  }
}
