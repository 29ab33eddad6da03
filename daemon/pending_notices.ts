import { getLogger } from "@logtape/logtape";
import type { DeviceId } from "../identity/device_id.ts";
import { type CapabilityGrant, pendingCapabilities } from "./capability_grant.ts";
import type { DeclaredCapability } from "./store/registered_node_record.ts";

const log = getLogger(["palyra", "daemon", "nodes"]);

/** Names of one device that are told while a daemon runs: a node that invents ever more of them is not listened to. */
const MOST_NAMES_TOLD = 256;

/** Remembers which pending capabilities were told, so that each is told once and not at every reconnect. */
export class PendingNotices {
  readonly #told = new Map<DeviceId, Set<string>>();

  /** What became pending by the change of a node's declaration from `before` to `after`, and was not told yet. */
  untold(
    deviceId: DeviceId,
    grant: CapabilityGrant,
    before: readonly DeclaredCapability[],
    after: readonly DeclaredCapability[],
  ): string[] {
    const told = this.#told.get(deviceId);
    const known = new Set(pendingCapabilities(grant, before));
    const fresh = pendingCapabilities(grant, after).filter((name) => !known.has(name) && !told?.has(name));
    return fresh.slice(0, MOST_NAMES_TOLD - (told?.size ?? 0));
  }

  /** They stand in the device's event log now. */
  tell(deviceId: DeviceId, names: readonly string[]): void {
    if (names.length === 0) return;
    const told = this.#told.get(deviceId) ?? new Set();
    for (const name of names) told.add(name);
    this.#told.set(deviceId, told);
    log.warn("A node offers capabilities that nobody has granted it; `palyrad devices grant` or `deny` decides.", {
      deviceId,
      capabilities: names,
    });
  }

  /** The device was deleted. */
  forget(deviceId: DeviceId): void {
    this.#told.delete(deviceId);
  }
}
