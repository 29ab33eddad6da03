import type { DeviceId } from "../../identity/device_id.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** One capability as its node declared it. */
export interface DeclaredCapability {
  readonly name: string;
  readonly available: boolean;
  readonly version: string;
  readonly inputSchemaJson: string;
  readonly outputSchemaJson: string;
  readonly idempotent: boolean;
  readonly requiresLocalMediation: boolean;
  readonly unavailableReason: string;
  /** How many of it run at once; absent when only the node's own bound holds. */
  readonly maxConcurrency?: number;
}

/** A node as it last registered. Whether it is connected is the state of its session, never of this record. */
export interface RegisteredNodeRecord {
  readonly deviceId: DeviceId;
  readonly platform: string;
  readonly deviceName: string;
  readonly softwareVersion: string;
  readonly capabilities: readonly DeclaredCapability[];
  readonly registeredAt: UnixMs;
  /** When it last registered or disconnected; not written for heartbeats. */
  readonly lastSeenAt: UnixMs;
  /** Epoch of its newest session; 0 before the first. */
  readonly epoch: number;
}

/** The nodes that have registered. */
export interface NodeTable {
  get(deviceId: DeviceId): Promise<RegisteredNodeRecord | undefined>;
  list(): Promise<RegisteredNodeRecord[]>;
  /** Inserts or replaces the node. */
  put(node: RegisteredNodeRecord): Promise<void>;
  touch(deviceId: DeviceId, lastSeenAt: UnixMs): Promise<void>;
}
