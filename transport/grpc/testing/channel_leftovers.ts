/**
 * For every test of a file in which channels fail to connect: grpc-js keeps their back-off timers (unreferenced, at most a
 * second) after they are closed, which the sanitizers would count as a leak of that test or of the one after it.
 */
export const CHANNEL_LEFTOVERS = { sanitizeOps: false, sanitizeResources: false } as const;
