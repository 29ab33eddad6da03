import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { deviceActor } from "./audit/audit_act.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import { revokeCertificate, revokeWithDevice } from "./certificate_ledger.ts";
import { certificateNotFound, findCertificate } from "./certificate_lookup.ts";
import type { DeviceEventLog } from "./device_event_log.ts";
import { deviceNotFound, type DeviceRegistry } from "./device_registry.ts";
import { isLocalOperator } from "./local_operator.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";
import type { NodeSessionServer } from "./node_session_server.ts";
import { endCodesOf } from "./pairing_code_book.ts";
import type { PairingDesk } from "./pairing_desk.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "devices"]);

/** The longest reason an operator may give, in characters. */
const MAX_REASON = 256;

/** What {@linkcode DeviceAdministration} needs. */
export interface DeviceAdministrationOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly events: DeviceEventLog;
  readonly runtime: NodeRuntimeState;
  readonly queue: CapabilityQueue;
  readonly sessions: NodeSessionServer;
  readonly desk: PairingDesk;
  readonly clock: Clock;
}

/** Ends devices: revoking keeps their name as a warning, removing forgets them. */
export class DeviceAdministration {
  readonly #options: DeviceAdministrationOptions;

  constructor(options: DeviceAdministrationOptions) {
    this.#options = options;
  }

  /**
   * Revokes a device for good: on disk first, then its connections are cut and its requests ended. Pairing codes that it
   * made as an operator end with it. Revoking it again changes nothing. Throws `device_not_found`.
   */
  async revoke(deviceId: DeviceId, reason: string, operator: string): Promise<DeviceRecord> {
    const { store, devices, clock, queue, sessions } = this.#options;
    const now = clock();
    const text = cutReason(reason) || "revoked by the operator";
    const revoked = await store.transaction(async (tx) => {
      const device = await tx.devices.get(deviceId);
      if (device === undefined) throw deviceNotFound();
      if (device.status === "revoked") return device;
      const after: DeviceRecord = { ...device, status: "revoked", revokedAt: now, revokedReason: text };
      await tx.devices.put(after);
      await revokeWithDevice(tx, deviceId, { at: now, reason: text, actor: operator });
      await endCodesOf(tx, deviceId);
      const payload = { reason: text, revoked_by: operator };
      await tx.events.append(deviceId, { name: "device.revoked", payload }, now);
      const details = { device_name: device.deviceName, reason: text };
      await tx.audit.append({ kind: "device.revoked", actor: operator, subject: deviceId, details }, now);
      return after;
    });
    sessions.closeDevice(deviceId, "device_revoked", "This device was revoked by the daemon's operator.");
    // The index is what the listeners follow: from here on every connection of the device is cut and refused.
    devices.putDevice(revoked);
    devices.revokeCertificates(deviceId, now, text);
    queue.rejectAll(deviceId, "device_revoked", "The node was revoked before the request ended.");
    queue.rejectAskedBy(
      deviceId,
      "device_revoked",
      "The operator who asked for it was revoked before it was dispatched.",
    );
    log.warn("Device revoked.", { deviceId, reason: text, operator });
    return revoked;
  }

  /**
   * Revokes one certificate of a device that stays paired: on disk first, then what it has opened is cut. Revoking it again
   * changes nothing. `fingerprint` may be its beginning. Throws `invalid_argument` when that is too short or means several,
   * `certificate_not_found` when there is none.
   */
  async revokeCertificate(fingerprint: string, reason: string, operator: string): Promise<DeviceRecord> {
    const { store, devices, clock } = this.#options;
    const found = findCertificate(devices, fingerprint);
    const now = clock();
    const text = cutReason(reason) || "revoked by the operator";
    const { device, certificate } = await store.transaction(async (tx) => {
      const stored = await tx.devices.getCertificate(found.fingerprint);
      const device = stored && await tx.devices.get(stored.deviceId);
      if (stored === undefined || device === undefined) throw certificateNotFound();
      if (stored.revokedAt !== undefined) return { device, certificate: stored };
      await revokeCertificate(tx, stored, { at: now, reason: text, actor: operator });
      return { device, certificate: { ...stored, revokedAt: now, revokedReason: text } };
    });
    // The index is what the sessions and the listeners follow.
    devices.putCertificate(certificate);
    log.warn("Certificate revoked.", { deviceId: device.deviceId, fingerprint: certificate.fingerprint, operator });
    return device;
  }

  /** Forgets a device, revoking it first if it is paired. Throws `device_not_found`. */
  async remove(deviceId: DeviceId, reason: string, operator: string): Promise<void> {
    if (this.#options.devices.get(deviceId)?.status === "paired") await this.revoke(deviceId, reason, operator);
    await this.#forget(deviceId, cutReason(reason) || "removed by the operator", operator);
    log.warn("Device removed.", { deviceId, operator });
  }

  /**
   * Forgets a device at its own wish. Its certificates mean nothing from here on, but the connection that carries the
   * wish stays open, so that the answer gets through. The local operator has no pairing to end: `invalid_argument`. Nor
   * has a device that was revoked meanwhile: `device_revoked`.
   */
  async unpair(deviceId: DeviceId): Promise<void> {
    const { devices, queue, sessions } = this.#options;
    const device = devices.get(deviceId);
    if (device !== undefined && isLocalOperator(device)) {
      throw new PalyraError(
        "invalid_argument",
        "This is the operator of the daemon's own machine: it belongs to the state folder and was never paired.",
      );
    }
    await this.#forget(deviceId, "unpaired by itself", deviceActor(deviceId));
    sessions.closeDevice(deviceId, "not_paired", "The device has ended its pairing.");
    queue.rejectAll(deviceId, "not_paired", "The node ended its pairing before the request ended.");
    log.info("Device unpaired itself.", { deviceId });
  }

  async #forget(deviceId: DeviceId, reason: string, actor: string): Promise<void> {
    const { store, devices, runtime, sessions, desk, events, clock } = this.#options;
    await store.transaction(async (tx) => {
      const device = await tx.devices.get(deviceId);
      if (device === undefined) throw deviceNotFound();
      if (device.status === "revoked" && actor === deviceActor(deviceId)) {
        throw new PalyraError("device_revoked", "This device was revoked by the daemon's operator, and stays so.");
      }
      await endCodesOf(tx, deviceId);
      await tx.devices.keepRevoked(deviceId, clock(), reason);
      await tx.devices.remove(deviceId);
      const details = { device_name: device.deviceName, reason };
      await tx.audit.append({ kind: "device.removed", actor, subject: deviceId, details }, clock());
    });
    devices.removeDevice(deviceId);
    runtime.remove(deviceId);
    sessions.forgetDevice(deviceId);
    desk.deviceRemoved(deviceId);
    events.deviceRemoved(deviceId);
  }
}

function cutReason(reason: string): string {
  return reason.trim().slice(0, MAX_REASON);
}
