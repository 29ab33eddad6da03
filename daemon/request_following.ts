import type { CanonicalUlid } from "../identity/device_id.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { CapabilityQueue } from "./capability_queue.ts";
import type { RequestEvent } from "./live_request.ts";
import { RequestFeed } from "./request_feed.ts";
import { hasEnded } from "./request_state.ts";
import { isBehind, type ProgressCursor, type RequestProgressRecord } from "./store/request_progress_record.ts";
import type { Store } from "./store/store.ts";

/** What {@linkcode followRequest} reads. */
export interface FollowedSources {
  readonly queue: CapabilityQueue;
  readonly store: Store;
}

/**
 * The request as it stands, then its kept progress behind `after`, then each change and progress, until it has ended or
 * `signal` fires. Of progress that is no longer kept, or that comes faster than it is taken, some is missing: its
 * numbers jump. Throws `request_not_found`.
 */
export async function* followRequest(
  { queue, store }: FollowedSources,
  requestId: CanonicalUlid,
  after: ProgressCursor,
  signal: AbortSignal,
): AsyncGenerator<RequestEvent, void, void> {
  const feed = new RequestFeed();
  let fed: Set<string> | undefined = new Set();
  // The three in one turn: the feed gets what happens after the state and the progress that are taken here.
  const live = queue.live(requestId);
  const unwatch = live?.watch((event) => {
    feed.push(event);
    if (event.kind === "progress") fed?.add(placeOf({ attempt: event.attempt, sequence: event.progress.sequence }));
    else if (hasEnded(event.record.state)) feed.end();
  });
  const unwritten = (live?.unwritten.reports ?? []).filter((report) => isBehind(report, after));
  const standing = live?.shown;

  const stop = () => feed.end();
  signal.addEventListener("abort", stop);
  try {
    const { record, stored } = await store.transaction(async (tx) => ({
      record: standing ?? await tx.requests.get(requestId),
      stored: await tx.progress.list(requestId, after),
    }));
    if (record === undefined) throw requestNotFound();
    yield { kind: "state", record };
    // What was written meanwhile comes from where it was before.
    const elsewhere = new Set([...fed, ...unwritten.map(placeOf)]);
    fed = undefined;
    for (const report of [...stored.filter((each) => !elsewhere.has(placeOf(each))), ...unwritten]) {
      if (signal.aborted) return;
      yield eventOf(report);
    }
    if (!hasEnded(record.state)) yield* feed;
  } finally {
    signal.removeEventListener("abort", stop);
    unwatch?.();
  }
}

/** No request has that id. */
export function requestNotFound(): PalyraError {
  return new PalyraError("request_not_found", "There is no such request. `palyrad requests list` shows the newest.");
}

function placeOf({ attempt, sequence }: ProgressCursor): string {
  return `${attempt}/${sequence}`;
}

function eventOf({ attempt, sequence, payloadJson }: RequestProgressRecord): RequestEvent {
  return { kind: "progress", attempt, progress: { sequence, payloadJson } };
}
