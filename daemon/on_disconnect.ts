import type { CapabilityRequestRecord } from "./store/capability_request_record.ts";

/**
 * What the caller wants done when the node is lost while it works (design section 5).
 *
 * - `requeue`: an attempt that was lost is repeated, though that may repeat an effect.
 * - `wait`: nothing is ever repeated; the node's own account is waited for.
 * - `fail`: the request ends as soon as the session does.
 */
export type OnDisconnect = "requeue" | "wait" | "fail";

/** Every choice there is, beside leaving it to the daemon. */
export const ON_DISCONNECT_CHOICES: readonly OnDisconnect[] = ["requeue", "wait", "fail"];

type Terms = Pick<
  CapabilityRequestRecord,
  "onDisconnect" | "idempotent" | "idempotencyKey" | "deadline" | "ttlEndsAt"
>;

/** Whether an attempt that may have started, and whose node has lost it, is repeated. */
export function repeatsLostAttempt({ onDisconnect, idempotent }: Terms): boolean {
  if (onDisconnect !== undefined) return onDisconnect === "requeue";
  return idempotent;
}

/**
 * Whether nobody minds when the daemon forgets, by a crash, that the request was dispatched or how it ended, and runs it
 * again: then nothing on its path waits for the disk. Whoever gave it a key, a time to live or a wish for the case of a
 * loss relies on what was decided once.
 */
export function forgetsHarmlessly(terms: Terms): boolean {
  const { idempotent, onDisconnect, idempotencyKey, deadline, ttlEndsAt } = terms;
  return idempotent && (onDisconnect === undefined || onDisconnect === "requeue") && idempotencyKey === undefined &&
    ttlEndsAt >= deadline;
}
