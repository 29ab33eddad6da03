import type { CanonicalUlid, DeviceId } from "../../identity/device_id.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";
import type { OnDisconnect } from "../on_disconnect.ts";
import type { RequestPriority } from "../request_priority.ts";
import type { RequestState } from "../request_state.ts";

/** The result of an attempt that came when the request had ended already. */
export interface LateResult {
  readonly attempt: number;
  readonly at: UnixMs;
  readonly success: boolean;
  /** Empty with a success. */
  readonly errorCode: string;
}

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
  /**
   * The journal in which the node keeps the newest attempt from before its start; empty when it does not journal it,
   * absent before the first.
   */
  readonly journalId?: string;
  /** As the node declared the capability when the request was accepted. */
  readonly idempotent: boolean;
  readonly inputJson: Uint8Array;
  readonly maxPayloadBytes: number;
  readonly priority: RequestPriority;
  /** Absent when the caller left it to the daemon. */
  readonly onDisconnect?: OnDisconnect;
  readonly deadline: UnixMs;
  /** Until when it may wait to be dispatched; never after the deadline. */
  readonly ttlEndsAt: UnixMs;
  readonly requestedBy: string;
  readonly idempotencyKey?: string;
  readonly createdAt: UnixMs;
  readonly updatedAt: UnixMs;
  readonly dispatchedAt?: UnixMs;
  readonly completedAt?: UnixMs;
  readonly outputJson?: Uint8Array;
  /** Present with every end but success. */
  readonly errorCode?: string;
  readonly error?: string;
  /** Changed nothing; only the first is kept. */
  readonly lateResult?: LateResult;
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
  /** Keys live as long as their request. */
  findByIdempotencyKey(deviceId: DeviceId, key: string): Promise<CapabilityRequestRecord | undefined>;
  /** Requests that have not ended, oldest first. */
  listUnfinished(): Promise<CapabilityRequestRecord[]>;
  /** Newest first; without outputs, and of each input the first {@linkcode LISTED_INPUT_BYTES} bytes. */
  list(filter: RequestFilter): Promise<CapabilityRequestRecord[]>;
  insert(request: CapabilityRequestRecord): Promise<void>;
  /** Writes the parts that change in the life of a request; resolves with whether there is such a request. */
  update(request: CapabilityRequestRecord): Promise<boolean>;
  /** Notes the first late result of a request that has ended. */
  setLateResult(requestId: CanonicalUlid, late: LateResult): Promise<void>;
  /**
   * Deletes up to `limit` requests, oldest first, that were made and ended before a moment, with their progress;
   * resolves with how many it deleted.
   */
  deleteEndedBefore(moment: UnixMs, limit: number): Promise<number>;
}
