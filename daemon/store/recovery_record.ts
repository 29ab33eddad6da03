import type { DeviceId } from "../../identity/device_id.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** Recoveries of one device that are kept however long ago they were. */
export const RECOVERIES_KEPT = 8;

/** A device that came back by its device key. */
export interface RecoveryRecord {
  readonly deviceId: DeviceId;
  readonly at: UnixMs;
  /** Where it came from, without the port. */
  readonly remoteAddress: string;
  /** Of the certificate that it was given. */
  readonly fingerprint: Fingerprint;
}

/** The recoveries, as far back as they are needed to bound and to judge the next one. */
export interface RecoveryTable {
  /** Enters one, and drops the device's that are older than `keptSince`, but for the newest {@linkcode RECOVERIES_KEPT}. */
  enter(recovery: RecoveryRecord, keptSince: UnixMs): Promise<void>;
  /** Those of a device since a moment and at least the newest {@linkcode RECOVERIES_KEPT}, oldest first. */
  list(deviceId: DeviceId, since: UnixMs): Promise<RecoveryRecord[]>;
}
