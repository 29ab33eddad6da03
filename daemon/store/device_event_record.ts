import type { DeviceId } from "../../identity/device_id.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { DeviceAct } from "../device_act.ts";
import type { JsonObject } from "../json_object.ts";

/** Events of one device that are kept where nothing else is configured. */
export const DEFAULT_EVENTS_KEPT = 1_000;

/** Something that happened to a device. */
export interface DeviceEventRecord {
  /** Counts from 1 for each device, without holes, and never starts again. */
  readonly sequence: number;
  /** See {@linkcode DeviceAct}; an older daemon may have written other ones. */
  readonly name: string;
  readonly payload: JsonObject;
  readonly at: UnixMs;
}

/** A part of a device's log. */
export interface DeviceEventPage {
  /** Oldest first. */
  readonly events: readonly DeviceEventRecord[];
  /** The number of the oldest event that is kept; one more than `newest` when none is. */
  readonly oldest: number;
  /** The number of the newest event there has been; 0 before the first. */
  readonly newest: number;
}

/** What happened to each device, as far back as the store's bound goes. */
export interface DeviceEventTable {
  /**
   * Writes the next event of a device that is stored, and drops those that are beyond the bound. To be called in the
   * transaction of the act itself.
   */
  append(deviceId: DeviceId, act: DeviceAct, at: UnixMs): Promise<DeviceEventRecord>;
  /** The first `limit` kept events with a number greater than `after`. */
  read(deviceId: DeviceId, after: number, limit: number): Promise<DeviceEventPage>;
}
