/** How urgent a request is among those that wait for the same node. */
export type RequestPriority = "high" | "normal" | "low";

/** Every priority, the most urgent first. */
export const REQUEST_PRIORITIES: readonly RequestPriority[] = ["high", "normal", "low"];
