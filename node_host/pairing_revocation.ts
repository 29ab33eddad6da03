import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { NodeServiceClient } from "../proto/gen/node.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../transport/grpc/grpc_channel.ts";
import { callUnary } from "../transport/grpc/unary_call.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";

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
  let failure: PalyraError | undefined;
  for (const endpoint of record.nodeEndpoints) {
    try {
      // deno-lint-ignore no-await-in-loop -- the next endpoint is asked only when this one does not answer
      return await revokeAt(endpoint, credentials, signal);
    } catch (thrown) {
      failure = PalyraError.from(thrown);
      if (failure.code !== "daemon_unreachable" && failure.code !== "daemon_untrusted") break;
    }
  }
  throw failure ?? new PalyraError("state_damaged", "The record of this machine names no daemon.");
}

async function revokeAt(endpoint: string, credentials: NodeCredentials, signal: AbortSignal): Promise<void> {
  const { identity, trustedCaPem, certificatePem, tlsKeyPem } = credentials;
  const client = new NodeServiceClient(
    channelTarget(parseEndpoint(endpoint)),
    mutualCredentials({ caPem: [trustedCaPem], certificatePem, keyPem: tlsKeyPem }),
    channelOptions(),
  );
  try {
    await callUnary(client, client.revokeDevicePairing, {
      v: PROTOCOL_VERSION,
      deviceId: { ulid: identity.deviceId },
      reason: "unpaired on the device",
      replay: undefined,
    }, { signal });
  } finally {
    client.close();
  }
}
