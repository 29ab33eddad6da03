import type { AttemptName, CapabilityDispatchRecord } from "./capability_dispatch_record.ts";

/** The way to a connected node, as the queue sees it: one welcomed session. */
export interface NodeLink {
  readonly epoch: number;
  /** Random for each start of the node's process. */
  readonly instanceId: string;
  /** Names the journal in which the node keeps its attempts; empty when it keeps none. */
  readonly journalId: string;
  /** How many requests the node runs at once. */
  readonly maxConcurrency: number;
  /** How many of a capability the node runs at once, where that is less. */
  readonly capabilityLimits?: ReadonlyMap<string, number>;
  dispatch(dispatch: CapabilityDispatchRecord): void;
  cancel(attempt: AttemptName, reason: string): void;
  /** What became of the attempt is on disk; the node may forget it. */
  acknowledge(attempt: AttemptName): void;
}

/** What a node said about its work when it connected. */
export interface NodeWork {
  readonly inFlight: readonly AttemptName[];
  /** Their results follow on the session. */
  readonly finished: readonly AttemptName[];
  /** Started, and cut off by a stop of the node's process: nobody can tell what they did. No result follows. */
  readonly interrupted: readonly AttemptName[];
}
