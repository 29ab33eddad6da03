import type { DeviceId } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { DeviceRegistry } from "./device_registry.ts";
import type { NodeRuntimeState } from "./node_runtime_state.ts";

/** The device a person means: its id, or its name when only one node has it. Throws `node_not_found`. */
export function findNode(text: string, devices: DeviceRegistry, runtime: NodeRuntimeState): DeviceId {
  const wanted = text.trim();
  const byId = devices.list().find((device) => device.deviceId === wanted.toUpperCase());
  if (byId !== undefined) return byId.deviceId;
  const byName = devices.list().filter((device) => {
    const name = runtime.get(device.deviceId)?.deviceName ?? device.deviceName;
    return device.clientKind === "node" && device.status === "paired" && name.toLowerCase() === wanted.toLowerCase();
  });
  const [only, another] = byName;
  if (only === undefined) {
    throw new PalyraError("node_not_found", "There is no such node. `palyrad nodes list` shows those there are.");
  }
  if (another !== undefined) {
    throw new PalyraError("invalid_argument", `${byName.length} nodes have that name; give the device id instead.`);
  }
  return only.deviceId;
}
