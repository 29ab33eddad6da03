import { setTimeout as delay } from "node:timers/promises";
import type { NodeSession } from "../transport/session.ts";
import type { SessionWorker } from "./session_worker.ts";
import type { WorkDesk } from "./work_desk.ts";

/** How long running work may take to finish when the program stops, in milliseconds. */
export const DEFAULT_GRACE_MS = 10_000;

// For the last results and their acknowledgements, once everything was told to stop.
const FAREWELL_MS = 1_000;

/** What is stopped. */
export interface GracefulStop {
  readonly worker: SessionWorker;
  readonly session: NodeSession;
  readonly desk: WorkDesk;
  readonly graceMs: number;
}

/**
 * Ends a welcomed session in order: the daemon is told to send nothing new, what runs may finish for `graceMs`, what
 * still runs then is ended, and results get a last second to be acknowledged. Resolves when the session is over.
 */
export async function stopGracefully({ worker, session, desk, graceMs }: GracefulStop): Promise<void> {
  worker.drain();
  const idle = desk.whenIdle();
  if (!await settlesWithin([idle, worker.ended], graceMs)) {
    desk.stopAll();
    await settlesWithin([idle, worker.ended], FAREWELL_MS);
  }
  session.close("shutting_down", "palyra-node is stopping.");
  await worker.ended;
}

async function settlesWithin(promises: readonly Promise<unknown>[], ms: number): Promise<boolean> {
  const timer = new AbortController();
  const late = delay(ms, false, { signal: timer.signal }).catch(() => false);
  const settled = Promise.race(promises).then(() => true);
  try {
    return await Promise.race([settled, late]);
  } finally {
    timer.abort();
  }
}
