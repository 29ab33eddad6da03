import type { ChannelCredentials, ClientOptions } from "@grpc/grpc-js";
import { HealthClient } from "../../../proto/gen/health.ts";
import { NodeServiceClient } from "../../../proto/gen/node.ts";
import { channelOptions, channelTarget } from "../grpc_channel.ts";

/** A client of NodeService that closes itself. */
export function nodeClient(
  port: number,
  credentials: ChannelCredentials,
  options: ClientOptions = {},
): NodeServiceClient & Disposable {
  const target = channelTarget({ host: "127.0.0.1", port });
  const client = new NodeServiceClient(target, credentials, { ...channelOptions(), ...options });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

/** A client of the health service that closes itself. */
export function disposableHealthClient(port: number, credentials: ChannelCredentials): HealthClient & Disposable {
  const client = new HealthClient(channelTarget({ host: "127.0.0.1", port }), credentials, channelOptions());
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}
