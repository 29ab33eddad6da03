import type { CanonicalUlid } from "../../identity/device_id.ts";
import type { UnixMs } from "../../identity/unix_ms.ts";

/** Reports of one request that are kept, the newest. */
export const PROGRESS_KEPT = 256;

/** What the kept reports of one request may take together, in bytes; the newest is kept however large. */
export const PROGRESS_BYTES_KEPT: number = 256 * 1024;

/** A place in the progress of a request: an attempt, and a number within it. */
export interface ProgressCursor {
  readonly attempt: number;
  /** Counts from 1 within an attempt. */
  readonly sequence: number;
}

/** What a node reported while it worked on a request. */
export interface RequestProgressRecord extends ProgressCursor {
  readonly payloadJson: Uint8Array;
  readonly at: UnixMs;
}

/** Whether `left` is behind `right`, in the order in which progress is told. */
export function isBehind(left: ProgressCursor, right: ProgressCursor): boolean {
  return left.attempt > right.attempt || left.attempt === right.attempt && left.sequence > right.sequence;
}

/** The progress of requests; each goes with its request. */
export interface ProgressTable {
  /** Adds reports of one request, and drops its oldest beyond what is kept. Does nothing when there is no such request. */
  append(requestId: CanonicalUlid, reports: readonly RequestProgressRecord[]): Promise<void>;
  /** The kept reports behind `after`, in order. */
  list(requestId: CanonicalUlid, after: ProgressCursor): Promise<RequestProgressRecord[]>;
  /** The place of the newest report of a request; undefined when it has none. */
  newest(requestId: CanonicalUlid): Promise<ProgressCursor | undefined>;
}
