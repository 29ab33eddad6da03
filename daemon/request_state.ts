/** Where a capability request stands (design section 5). */
export type RequestState =
  | "queued"
  | "dispatched"
  | "running"
  | "awaiting_local_mediation"
  | "succeeded"
  | "failed"
  | "timed_out"
  | "rejected"
  | "cancelled"
  | "lost";

/** Every lawful transition. An empty list makes a state final. */
const TRANSITIONS: Readonly<Record<RequestState, readonly RequestState[]>> = {
  queued: ["dispatched", "timed_out", "rejected", "cancelled"],
  // Back to queued: the attempt was lost with its session and may be repeated.
  dispatched: [
    "queued",
    "running",
    "awaiting_local_mediation",
    "succeeded",
    "failed",
    "timed_out",
    "rejected",
    "cancelled",
    "lost",
  ],
  running: ["queued", "awaiting_local_mediation", "succeeded", "failed", "timed_out", "rejected", "cancelled", "lost"],
  awaiting_local_mediation: ["queued", "running", "succeeded", "failed", "timed_out", "rejected", "cancelled", "lost"],
  succeeded: [],
  failed: [],
  timed_out: [],
  rejected: [],
  cancelled: [],
  lost: [],
};

/** Every state, in the order of a request's life. */
export const REQUEST_STATES = Object.keys(TRANSITIONS) as readonly RequestState[];

/** Whether a request in `state` has ended; what has ended never changes again. */
export function hasEnded(state: RequestState): boolean {
  return TRANSITIONS[state].length === 0;
}

/** Whether `from` may become `to`. */
export function mayBecome(from: RequestState, to: RequestState): boolean {
  return TRANSITIONS[from].includes(to);
}

/** Whether a node may be working on a request in `state`. */
export function isInFlight(state: RequestState): boolean {
  return state === "dispatched" || state === "running" || state === "awaiting_local_mediation";
}

/** Narrows text from a caller or the store. */
export function isRequestState(text: string): text is RequestState {
  return Object.hasOwn(TRANSITIONS, text);
}
