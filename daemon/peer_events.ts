import { PalyraError } from "../identity/palyra_error.ts";
import type { ReadDeviceEvents } from "../transport/quic/device_events.ts";
import type { DeviceEventLog } from "./device_event_log.ts";
import type { DeviceRegistry } from "./device_registry.ts";

/** Gives each peer the events of its own device; one that is not let in gets the reason. */
export function eventsOfPeers(devices: DeviceRegistry, events: DeviceEventLog): ReadDeviceEvents {
  return async function* (peer, after, signal) {
    const known = devices.identify(peer);
    if (known instanceof PalyraError) throw known;
    yield* events.read(known.device.deviceId, after, signal);
  };
}
