import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { deviceNotFound, type DeviceRegistry } from "./device_registry.ts";
import { isLocalOperator } from "./local_operator.ts";
import type { NodeSessionServer } from "./node_session_server.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store, StoreTransaction } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "devices"]);

/** What {@linkcode DeviceRenewalAdministration} needs. */
export interface DeviceRenewalAdministrationOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly sessions: Pick<NodeSessionServer, "askForRenewal">;
  readonly clock: Clock;
}

/** What an operator decides about recovery. */
export interface RecoveryDecision {
  /** Undefined leaves it as it is. */
  readonly allowed: boolean | undefined;
  /** Ends an alarm; where there is none, nothing happens. */
  readonly acknowledgeAlarm: boolean;
}

/** What operators decide about how devices get their further certificates. */
export class DeviceRenewalAdministration {
  readonly #options: DeviceRenewalAdministrationOptions;

  constructor(options: DeviceRenewalAdministrationOptions) {
    this.#options = options;
  }

  /**
   * Asks a node for a new certificate: now when it is connected (true), else as soon as it is. What it has stays valid until
   * it has used the new one. Throws `device_not_found`, `device_revoked`, or `device_mismatch` for what is no node.
   */
  async rotate(deviceId: DeviceId, operator: string): Promise<boolean> {
    const { sessions, clock } = this.#options;
    const now = clock();
    await this.#change(deviceId, async (tx, device) => {
      if (device.clientKind !== "node") {
        throw new PalyraError(
          "device_mismatch",
          "Only a node can be asked for a new certificate; an operator's is renewed by whoever uses it.",
        );
      }
      await tx.events.append(deviceId, { name: "device.rotation_asked", payload: { asked_by: operator } }, now);
      await tx.audit.append({ kind: "device.rotation_asked", actor: operator, subject: deviceId, details: {} }, now);
      return { ...device, rotationAskedAt: now };
    });
    const asked = sessions.askForRenewal(deviceId, `${operator} asked for a new certificate.`);
    log.info("A device is to have a new certificate.", { deviceId, operator, asked });
    return asked;
  }

  /**
   * Allows or forbids a device to recover, and ends an alarm. Throws `device_not_found`, `device_revoked`, or
   * `invalid_argument` for the local operator, which cannot recover.
   */
  async setRecovery(deviceId: DeviceId, decision: RecoveryDecision, operator: string): Promise<DeviceRecord> {
    const { allowed, acknowledgeAlarm } = decision;
    const now = this.#options.clock();
    return await this.#change(deviceId, async (tx, device) => {
      if (isLocalOperator(device)) {
        throw new PalyraError(
          "invalid_argument",
          "This is the operator of the daemon's own machine: it has no device key and cannot recover.",
        );
      }
      let changed = device;
      if (allowed !== undefined && allowed !== device.recoveryAllowed) {
        changed = { ...changed, recoveryAllowed: allowed };
        const payload = { allowed, set_by: operator };
        await tx.events.append(deviceId, { name: "device.recovery_set", payload }, now);
        const details = { allowed };
        await tx.audit.append({ kind: "device.recovery_set", actor: operator, subject: deviceId, details }, now);
      }
      if (acknowledgeAlarm && device.recoveryAlarm !== undefined) {
        const { recoveryAlarm: reason, ...calm } = changed;
        changed = calm;
        const name = "device.recovery_alarm_acknowledged";
        await tx.events.append(deviceId, { name, payload: { acknowledged_by: operator } }, now);
        const details = { reason: reason ?? "" };
        await tx.audit.append({ kind: name, actor: operator, subject: deviceId, details }, now);
      }
      return changed;
    });
  }

  /** Stores what `change` makes of the device, where that is another. */
  async #change(
    deviceId: DeviceId,
    change: (tx: StoreTransaction, device: DeviceRecord) => Promise<DeviceRecord>,
  ): Promise<DeviceRecord> {
    const { store, devices } = this.#options;
    const changed = await store.transaction(async (tx) => {
      const device = await tx.devices.get(deviceId);
      if (device === undefined) throw deviceNotFound();
      if (device.status === "revoked") {
        throw new PalyraError(
          "device_revoked",
          "The device is revoked for good. To use it again, remove it (`palyrad devices remove`) and pair it anew.",
        );
      }
      const after = await change(tx, device);
      if (after !== device) await tx.devices.put(after);
      return after;
    });
    devices.putDevice(changed);
    return changed;
  }
}
