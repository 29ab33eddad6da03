import type { AttemptName } from "./capability_dispatch_record.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { LiveRequest } from "./live_request.ts";
import type { NodeLink, NodeWork } from "./node_link.ts";
import { repeatsLostAttempt } from "./on_disconnect.ts";

/** What a returning node's own account of its work means for each request (design section 5). */
export interface ReconciliationPlan {
  /**
   * The node has an attempt of them, so that one goes on or its result follows. Its number may not be the one known
   * here: not every dispatch is written before the daemon stops.
   */
  readonly adopt: readonly { readonly live: LiveRequest; readonly attempt: number }[];
  /** Never started, or to be repeated: dispatched again. */
  readonly requeue: readonly LiveRequest[];
  /** Started or not, nobody can tell, and nobody asked for its repetition. */
  readonly lose: readonly LiveRequest[];
  /** Running on the node, but nobody waits for them here. */
  readonly abandon: readonly AttemptName[];
}

/** Compares what the daemon believes with what the node says; changes nothing. */
export function planReconciliation(
  device: DeviceQueue,
  link: Pick<NodeLink, "instanceId" | "journalId">,
  work: NodeWork,
): ReconciliationPlan {
  // What is neither accepted nor sent is nobody's business yet.
  const known = device.all.filter(({ accepted, sent }) => accepted || sent);
  const named = attemptsByRequest([...work.inFlight, ...work.finished]);
  const adopt = known.flatMap((live) => {
    const attempt = named.get(live.record.requestId);
    return attempt === undefined ? [] : [{ live, attempt }];
  });

  const interrupted = attemptsByRequest(work.interrupted);
  const [requeue, lose]: [LiveRequest[], LiveRequest[]] = [[], []];
  for (const live of known) {
    const { requestId, attempt, state } = live.record;
    if (named.has(requestId)) continue;
    const cutOff = interrupted.get(requestId) ?? 0;
    if (state === "queued") {
      // What is cut off was settled when the request was put back, unless this daemon has forgotten that it dispatched it.
      if (cutOff > attempt && !repeatsLostAttempt(live.record)) lose.push(live);
    } else if (cutOff < attempt && neverStarted(live, link) || repeatsLostAttempt(live.record)) {
      requeue.push(live);
    } else {
      lose.push(live);
    }
  }

  const wanted = new Set(adopt.map(({ live }) => live.record.requestId as string));
  return {
    adopt,
    requeue,
    lose,
    abandon: work.inFlight.filter((attempt) => !wanted.has(attempt.requestId)),
  };
}

/** Whether the newest attempt, of which the node says nothing, certainly did not start. */
function neverStarted(
  { sent, record }: LiveRequest,
  { instanceId, journalId }: Pick<NodeLink, "instanceId" | "journalId">,
): boolean {
  // A process that never stopped remembers all it was sent, and a journal all that it was begun with.
  return !sent || record.instanceId === instanceId || journalId !== "" && record.journalId === journalId;
}

function attemptsByRequest(attempts: readonly AttemptName[]): ReadonlyMap<string, number> {
  return new Map(attempts.map(({ requestId, attempt }) => [requestId, attempt]));
}
