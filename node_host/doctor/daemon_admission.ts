import { Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Endpoint } from "../../identity/endpoint.ts";
import type { PalyraError } from "../../identity/palyra_error.ts";
import { type UnixMs, unixMs } from "../../identity/unix_ms.ts";
import {
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
  HealthClient,
} from "../../proto/gen/health.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../../transport/grpc/grpc_channel.ts";
import { fromServiceError } from "../../transport/grpc/grpc_status.ts";
import { failed, type Finding, findingOf, ok, warning } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS } from "../../transport/program/doctor/time_limit.ts";
import { explainConnectionFailure } from "../connection_failure.ts";
import type { NodeCredentials } from "../node_credentials.ts";

/**
 * Served where nodes connect, and not where devices pair: that listener lets everybody ask for health. To ask is the
 * cheapest call that any device may make, and changes nothing.
 */
const SERVICE_OF_NODE_LISTENER = "palyra.admin.v1.AdminService";

/** What a daemon's clock said, and when it was asked by this machine's. */
export interface DaemonTime {
  /** Whole seconds, rounded down: of HTTP's `date` (RFC 9110, section 6.6.1). */
  readonly at: UnixMs;
  readonly askedAt: UnixMs;
  readonly answeredAt: UnixMs;
}

/** Whether the daemon lets this machine in. */
export interface Admission {
  readonly finding: Finding;
  /** Undefined when it did not say. */
  readonly daemonTime: DaemonTime | undefined;
}

/** Asks the daemon with this machine's certificate, on a connection of its own; a session that stands is not disturbed. */
export async function examineAdmission(
  endpoint: Endpoint,
  credentials: NodeCredentials,
  clock: () => UnixMs,
  signal: AbortSignal,
): Promise<Admission> {
  const client = new HealthClient(
    channelTarget(endpoint),
    mutualCredentials(credentials.tlsMaterial()),
    channelOptions(),
  );
  const { promise, resolve, reject } = Promise.withResolvers<HealthCheckResponse>();
  const askedAt = clock();
  let daemonTime: DaemonTime | undefined;
  const call = client.check(
    { service: SERVICE_OF_NODE_LISTENER },
    new Metadata(),
    { deadline: Date.now() + NETWORK_LIMIT_MS },
    (error: ServiceError | null, response) => error === null ? resolve(response) : reject(error),
  );
  call.on("metadata", (metadata: Metadata) => {
    const at = Date.parse(String(metadata.get("date")[0] ?? ""));
    if (at >= 0) daemonTime = { at: unixMs(at), askedAt, answeredAt: clock() };
  });
  const cancel = () => call.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    return { finding: findingOfHealth(await promise), daemonTime };
  } catch (thrown) {
    return { finding: refusal(fromServiceError(thrown), credentials, clock()), daemonTime };
  } finally {
    signal.removeEventListener("abort", cancel);
    client.close();
  }
}

function findingOfHealth({ status }: HealthCheckResponse): Finding {
  if (status === ServingStatus.SERVING) return ok("The daemon accepts this machine's certificate.");
  return warning(
    "shutting_down",
    "The daemon accepts this machine's certificate, but is starting or stopping.",
    "Try again in a moment; there, `palyrad doctor` tells more.",
  );
}

function refusal(error: PalyraError, { expiresAt }: NodeCredentials, now: UnixMs): Finding {
  if (error.code === "request_not_found") {
    return failed(
      "wrong_listener",
      "This is the port on which devices pair, and not the one on which they connect.",
      "Correct the daemon's address: run `palyra-node pair --force` with a new token.",
    );
  }
  return findingOf("failed", explainConnectionFailure(error, { now, certificateExpiresAt: expiresAt }));
}
