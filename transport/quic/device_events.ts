import type { UnixMs } from "../../identity/unix_ms.ts";
import type { PeerCertificate } from "../session.ts";

/** One entry of a device's event log. */
export interface DeviceEvent {
  /** From 1 on, without holes. */
  readonly sequence: number;
  readonly name: string;
  /** A JSON object. */
  readonly payload: Readonly<Record<string, unknown>>;
  readonly at: UnixMs;
}

/**
 * Reads the durable event log of the device with that certificate, from the entry after number `after` on (undefined: from the oldest
 * that is kept), and goes on with new entries until `signal` aborts. Pulled: what the reader does not take costs nothing.
 *
 * Throws an `EventGapError` when entries after `after` are no longer kept.
 */
export type ReadDeviceEvents = (
  peer: PeerCertificate,
  after: number | undefined,
  signal: AbortSignal,
) => AsyncIterable<DeviceEvent>;
