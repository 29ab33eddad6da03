import { type DeviceId, isCanonicalUlid, parseDeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceRegistry } from "./device_registry.ts";

/**
 * The device a person means: its id, or its name when only one node has it, in either case of letters. Only the name
 * that was approved counts, never what a node calls itself later: else one node could take another's requests. Throws
 * `node_not_found`.
 */
export function findNode(text: string, devices: DeviceRegistry): DeviceId {
  const wanted = text.trim();
  const id = wanted.toUpperCase();
  const byId = isCanonicalUlid(id) ? devices.get(parseDeviceId(id)) : undefined;
  if (byId !== undefined) return byId.deviceId;
  const name = comparable(wanted);
  // A node may have been paired without a name; then only its id names it.
  const byName = name === ""
    ? []
    : [...devices.all()].filter(({ clientKind, status, deviceName }) =>
      clientKind === "node" && status === "paired" && comparable(deviceName) === name
    );
  const [only, another] = byName;
  if (only === undefined) {
    throw new PalyraError("node_not_found", "There is no such node. `palyrad nodes list` shows those there are.");
  }
  if (another !== undefined) {
    throw new PalyraError("invalid_argument", `${byName.length} nodes have that name; give the device id instead.`);
  }
  return only.deviceId;
}

/** The name without what people do not see or do not mind: the case of letters, and how accents are encoded. */
function comparable(name: string): string {
  return name.trim().normalize("NFC").toLowerCase();
}
