import type { CanonicalUlid } from "../identity/device_id.ts";

/** One attempt of a request, on its way to the node. */
export interface CapabilityDispatchRecord {
  readonly requestId: CanonicalUlid;
  /** Counts from 1. */
  readonly attempt: number;
  readonly epoch: number;
  readonly capability: string;
  readonly inputJson: Uint8Array;
  readonly maxPayloadBytes: number;
  /** Milliseconds left until the request's deadline. */
  readonly timeLeftMs: number;
  readonly requestedBy: string;
}

/** Names one attempt of one request. */
export interface AttemptName {
  readonly requestId: CanonicalUlid;
  readonly attempt: number;
}

/** What a node reported at the end of an attempt. */
export interface AttemptResult {
  readonly success: boolean;
  readonly outputJson: Uint8Array;
  readonly errorCode: string;
  readonly error: string;
}

/** What a node reported on the way. */
export interface AttemptProgress {
  /** Counts from 1 within an attempt. */
  readonly sequence: number;
  readonly payloadJson: Uint8Array;
}
