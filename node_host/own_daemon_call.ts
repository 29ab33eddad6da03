import { parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import { NodeServiceClient } from "../proto/gen/node.ts";
import { channelOptions, channelTarget, mutualCredentials } from "../transport/grpc/grpc_channel.ts";
import type { NodeCredentials } from "./node_credentials.ts";
import type { NodeHostRecord } from "./node_host_record.ts";

/**
 * Makes a call of NodeService over mutual TLS to the first of the daemon's endpoints that answers, on a connection of its
 * own. Rejects with what `call` rejects with; the next endpoint is asked only when this one could not be reached.
 */
export async function callOwnDaemon<Response>(
  record: NodeHostRecord,
  credentials: NodeCredentials,
  call: (client: NodeServiceClient) => Promise<Response>,
): Promise<Response> {
  let failure: PalyraError | undefined;
  for (const endpoint of record.nodeEndpoints) {
    try {
      // deno-lint-ignore no-await-in-loop -- the next endpoint is asked only when this one does not answer
      return await callAt(endpoint, credentials, call);
    } catch (thrown) {
      failure = PalyraError.from(thrown);
      if (failure.code !== "daemon_unreachable" && failure.code !== "daemon_untrusted") break;
    }
  }
  throw failure ?? new PalyraError("state_damaged", "The record of this machine names no daemon.");
}

async function callAt<Response>(
  endpoint: string,
  credentials: NodeCredentials,
  call: (client: NodeServiceClient) => Promise<Response>,
): Promise<Response> {
  const client = new NodeServiceClient(
    channelTarget(parseEndpoint(endpoint)),
    mutualCredentials(credentials.tlsMaterial()),
    channelOptions(),
  );
  try {
    return await call(client);
  } finally {
    client.close();
  }
}
