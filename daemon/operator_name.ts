import type { DeviceId } from "../identity/device_id.ts";
import type { DeviceRecord } from "./store/device_record.ts";

/**
 * Who an operator is, in records and before a node's owner who is asked for consent: the name people know, and the device
 * id, since two operators may have one name.
 */
export function operatorName({ deviceName, deviceId }: DeviceRecord): string {
  return deviceName === "" ? deviceId : `${deviceName} (${deviceId})`;
}

/** Whether {@linkcode operatorName} called the operator with this id so, whatever it was named at that time. */
export function isNameOf(name: string, deviceId: DeviceId): boolean {
  return name === deviceId || name.endsWith(` (${deviceId})`);
}
