import { PalyraError } from "../identity/palyra_error.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import { isFinalRefusal } from "./connection_failure.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";
import type { NodeHostState } from "./node_host_state.ts";
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

/**
 * Tells the daemon that this device gives its pairing up. Resolves with the reason when it cannot be told, with undefined
 * when it knows, or has nothing to know. Rejects with `cancelled`.
 */
export async function tellDaemonUnpaired(
  state: NodeHostState,
  signal: AbortSignal,
): Promise<PalyraError | undefined> {
  try {
    const record = await state.record();
    if (record?.pairedAt === undefined) return undefined;
    await revokeOwnPairing(record, await state.credentials(), signal);
    return undefined;
  } catch (thrown) {
    const error = PalyraError.from(thrown);
    if (error.code === "cancelled") throw error;
    return isFinalRefusal(error.code) ? undefined : error;
  }
}
