import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { Clock } from "../identity/unix_ms.ts";
import { changedGrant, type GrantChange } from "./capability_grant.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import { deviceNotFound, type DeviceRegistry } from "./device_registry.ts";
import type { DeviceRecord } from "./store/device_record.ts";
import type { Store } from "./store/store.ts";

const log = getLogger(["palyra", "daemon", "devices"]);

/** What {@linkcode CapabilityGranting} needs. */
export interface CapabilityGrantingOptions {
  readonly store: Store;
  readonly devices: DeviceRegistry;
  readonly queue: CapabilityQueue;
  readonly clock: Clock;
}

/** Where an operator decides what a node may run, after its pairing was approved (design section 3). */
export class CapabilityGranting {
  readonly #options: CapabilityGrantingOptions;

  constructor(options: CapabilityGrantingOptions) {
    this.#options = options;
  }

  /**
   * Grants and denies: on disk first, then what waits in the queue and is no longer allowed ends. What the node has been
   * given goes on. Asking for what holds already changes nothing and is not recorded. Throws `device_not_found`,
   * `device_revoked` and `invalid_argument`.
   */
  async change(deviceId: DeviceId, change: GrantChange, operator: string): Promise<DeviceRecord> {
    const { store, devices, queue, clock } = this.#options;
    const now = clock();
    const { device, granted, denied } = await store.transaction(async (tx) => {
      const before = await tx.devices.get(deviceId);
      if (before === undefined) throw deviceNotFound();
      requireNode(before);
      const after: DeviceRecord = { ...before, ...changedGrant(before, change) };
      const granted = after.grantedCapabilities.filter((name) => !before.grantedCapabilities.includes(name));
      const denied = after.deniedCapabilities.filter((name) => !before.deniedCapabilities.includes(name));
      if (granted.length + denied.length === 0) return { device: before, granted, denied };
      await tx.devices.put(after);
      const payload = { granted, denied, decided_by: operator };
      await tx.events.append(deviceId, { name: "capabilities.decided", payload }, now);
      await tx.audit.append({
        kind: "capabilities.decided",
        actor: operator,
        subject: deviceId,
        details: {
          granted,
          denied,
          granted_capabilities: after.grantedCapabilities,
          denied_capabilities: after.deniedCapabilities,
        },
      }, now);
      return { device: after, granted, denied };
    });
    devices.putDevice(device);
    queue.rejectForbidden(deviceId);
    log.info("Capabilities of a device decided.", { deviceId, granted, denied, operator });
    return device;
  }
}

function requireNode(device: DeviceRecord): void {
  if (device.clientKind !== "node") {
    throw new PalyraError(
      "invalid_argument",
      `Only nodes run capabilities; this device was paired as \`${device.clientKind}\`.`,
    );
  }
  if (device.status === "revoked") {
    throw new PalyraError(
      "device_revoked",
      "The device was revoked and runs nothing. To use it again, forget it (`palyrad devices remove`) and pair it anew.",
    );
  }
}
