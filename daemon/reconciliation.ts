import type { AttemptName } from "./capability_dispatch_record.ts";
import type { DeviceQueue } from "./device_queue.ts";
import type { LiveRequest } from "./live_request.ts";
import type { NodeWork } from "./node_link.ts";

/** What a returning node's own account of its work means for each request (design section 5). */
export interface ReconciliationPlan {
  /**
   * The node has an attempt of them, so that one goes on or its result follows. Its number may not be the one known
   * here: not every dispatch is written before the daemon stops.
   */
  readonly adopt: readonly { readonly live: LiveRequest; readonly attempt: number }[];
  /** Never started, or harmless to repeat: dispatched again. */
  readonly requeue: readonly LiveRequest[];
  /** Started or not, nobody can tell, and repeating could do harm. */
  readonly lose: readonly LiveRequest[];
  /** Running on the node, but nobody waits for them here. */
  readonly abandon: readonly AttemptName[];
}

/** Compares what the daemon believes with what the node says; changes nothing. */
export function planReconciliation(device: DeviceQueue, instanceId: string, work: NodeWork): ReconciliationPlan {
  const named = new Map<string, number>();
  for (const { requestId, attempt } of [...work.inFlight, ...work.finished]) named.set(requestId, attempt);

  const adopt = [...device.inFlight.values(), ...device.waiting].flatMap((live) => {
    const attempt = named.get(live.record.requestId);
    return attempt === undefined ? [] : [{ live, attempt }];
  });

  const [requeue, lose]: [LiveRequest[], LiveRequest[]] = [[], []];
  for (const live of device.inFlight.values()) {
    if (named.has(live.record.requestId)) continue;
    // A process that never stopped remembers all it was sent, so what it does not know of never reached it.
    const neverStarted = !live.sent || live.record.instanceId === instanceId;
    if (neverStarted || live.record.idempotent) requeue.push(live);
    else lose.push(live);
  }

  const wanted = new Set(adopt.map(({ live }) => live.record.requestId as string));
  const abandon = work.inFlight.filter((attempt) => !wanted.has(attempt.requestId));
  return { adopt, requeue, lose, abandon };
}
