import type { CanonicalUlid, DeviceId } from "../../identity/device_id.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { RequestState } from "../request_state.ts";

/** A capability request, from its acceptance to its end. */
export interface CapabilityRequestRecord {
  readonly requestId: CanonicalUlid;
  readonly deviceId: DeviceId;
  readonly capability: string;
  readonly state: RequestState;
  /** 0 before the first dispatch; a dispatch carries it (design section 5). */
  readonly attempt: number;
  /** Epoch of the session that got the newest attempt; 0 before the first. */
  readonly epoch: number;
  /** The start of the node's process that got the newest attempt; absent before the first. */
  readonly instanceId?: string;
  /** As the node declared the capability when the request was accepted. */
  readonly idempotent: boolean;
  readonly inputJson: Uint8Array;
  readonly maxPayloadBytes: number;
  readonly deadline: UnixMs;
  readonly requestedBy: string;
  readonly idempotencyKey?: string;
  readonly createdAt: UnixMs;
  readonly updatedAt: UnixMs;
  readonly dispatchedAt?: UnixMs;
  readonly completedAt?: UnixMs;
  readonly outputJson?: Uint8Array;
  readonly errorCode?: string;
  readonly error?: string;
}

/** How much of an input a listing carries, in bytes. */
export const LISTED_INPUT_BYTES = 1_024;

/** What a listing may be narrowed to. */
export interface RequestFilter {
  readonly deviceId?: DeviceId;
  readonly state?: RequestState;
  readonly limit: number;
}

/** The durable side of the queue. */
export interface RequestTable {
  get(requestId: CanonicalUlid): Promise<CapabilityRequestRecord | undefined>;
  findByIdempotencyKey(deviceId: DeviceId, key: string): Promise<CapabilityRequestRecord | undefined>;
  /** Requests that have not ended, oldest first. */
  listUnfinished(): Promise<CapabilityRequestRecord[]>;
  /** Newest first; without outputs, and of each input the first {@linkcode LISTED_INPUT_BYTES} bytes. */
  list(filter: RequestFilter): Promise<CapabilityRequestRecord[]>;
  insert(request: CapabilityRequestRecord): Promise<void>;
  /** Writes the parts that change in the life of a request. */
  update(request: CapabilityRequestRecord): Promise<void>;
}
