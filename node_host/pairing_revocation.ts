import { callUnary } from "../transport/grpc/unary_call.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import { callOwnDaemon } from "./own_daemon_call.ts";

const PROTOCOL_VERSION = 1;

/**
 * Ends this device's pairing at its daemon, at the first endpoint that answers. Rejects with what the daemon said, or
 * with why the last endpoint could not be asked.
 */
export async function revokeOwnPairing(
  record: NodeHostRecord,
  credentials: NodeCredentials,
  signal: AbortSignal,
): Promise<void> {
  const request = {
    v: PROTOCOL_VERSION,
    deviceId: { ulid: credentials.identity.deviceId },
    reason: "unpaired on the device",
    replay: undefined,
  };
  await callOwnDaemon(
    record,
    credentials,
    (client) => callUnary(client, client.revokeDevicePairing, request, { signal }),
  );
}
