import { type CanonicalUlid, isCanonicalUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { AttemptRef, NodeCapabilityDispatch } from "../proto/gen/node.ts";

/** Names one attempt of one request. */
export interface AttemptName {
  readonly requestId: CanonicalUlid;
  /** Counts from 1. */
  readonly attempt: number;
}

/** One attempt that the daemon wants this node to run. */
export interface Dispatch extends AttemptName {
  readonly capability: string;
  /** UTF-8 JSON; empty means `null`. */
  readonly inputJson: Uint8Array;
  /** The largest output the caller takes, in bytes; 0 leaves it to the node. */
  readonly maxPayloadBytes: number;
  /** Milliseconds until the request's deadline, when the daemon sent this. */
  readonly timeLeftMs: number;
  /** Who asked, as the daemon says. */
  readonly requestedBy: string;
}

/** Checks which attempt the daemon speaks of; throws `protocol_mismatch`. */
export function parseAttempt(attempt: AttemptRef | undefined): AttemptName {
  return attemptOf(attempt?.requestId?.ulid, attempt?.attempt);
}

/** Checks a dispatch; throws `protocol_mismatch`. What it asks for is the capability runner's to judge. */
export function parseDispatch(dispatch: NodeCapabilityDispatch): Dispatch {
  const { capability, inputJson, maxPayloadBytes, timeLeftMs, requestedBy } = dispatch;
  return {
    ...attemptOf(dispatch.requestId?.ulid, dispatch.attempt),
    capability,
    inputJson,
    maxPayloadBytes,
    timeLeftMs,
    requestedBy,
  };
}

/** An attempt as the wire carries it. */
export function attemptRef({ requestId, attempt }: AttemptName): AttemptRef {
  return { requestId: { ulid: requestId }, attempt };
}

function attemptOf(requestId = "", attempt = 0): AttemptName {
  if (isCanonicalUlid(requestId) && attempt >= 1) return { requestId, attempt };
  throw new PalyraError(
    "protocol_mismatch",
    "The daemon spoke of work without naming a request and an attempt; make sure that palyrad and palyra-node are of " +
      "matching versions.",
  );
}
