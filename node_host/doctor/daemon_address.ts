import { connect } from "node:net";
import type { Endpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { connectFailure } from "../../transport/grpc/connect_failure.ts";
import { type Finding, findingOf, ok } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";

/** Whether somebody takes TCP connections at the daemon's address: refused, silence and unknown names are told apart. */
export async function examineAddress(connected: Promise<void>): Promise<Finding> {
  try {
    await connected;
    return ok("Somebody takes TCP connections there.");
  } catch (thrown) {
    return findingOf("failed", PalyraError.from(thrown));
  }
}

/**
 * Connects by TCP and hangs up, where there is nothing to shake hands with. Rejects with `daemon_unreachable` or
 * `permission_missing`.
 */
export async function connectOnce({ host, port }: Endpoint, signal: AbortSignal): Promise<void> {
  using limit = new TimeLimit(NETWORK_LIMIT_MS, signal);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port });
  const giveUp = () => reject(connectFailure("ETIMEDOUT", undefined));
  limit.signal.addEventListener("abort", giveUp, { once: true });
  if (limit.signal.aborted) giveUp();
  socket.on("connect", () => resolve());
  socket.on("error", (error: Error & { code?: string }) => {
    reject(connectFailure(`${error.code ?? ""} ${error.message}`, error));
  });
  try {
    await promise;
  } finally {
    limit.signal.removeEventListener("abort", giveUp);
    socket.destroy();
  }
}
