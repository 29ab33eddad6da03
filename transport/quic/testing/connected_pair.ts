import { testMaterial } from "../../testing/test_material.ts";
import { newConnectionId } from "../connection_id.ts";
import { nativeConfig } from "../native_config.ts";
import { QuicConnection } from "../quic_connection.ts";
import { DEFAULT_QUIC_LIMITS } from "../quic_transport_limits.ts";
import { quiche } from "../quiche_addon.ts";
import { clientIdentity } from "./identities.ts";
import { ManualClient, type ManualClientOptions } from "./manual_client.ts";
import { MemoryHost } from "./memory_host.ts";

const CLIENT = { host: "127.0.0.1", port: 1 };

/** A daemon's connection and its client, established, with no network between them. */
export class ConnectedPair implements Disposable {
  readonly host = new MemoryHost();
  readonly connection: QuicConnection;
  readonly client: ManualClient;

  private constructor(connection: (host: MemoryHost) => QuicConnection, client: (host: MemoryHost) => ManualClient) {
    this.connection = connection(this.host);
    this.client = client(this.host);
  }

  static async make(options?: ManualClientOptions): Promise<ConnectedPair> {
    const { server } = await testMaterial();
    const { certificatePem, keyPem, clientCaPem: caPem } = server;
    const identity = await clientIdentity();
    const config = nativeConfig({ caPem, certificatePem, keyPem }, DEFAULT_QUIC_LIMITS);
    const id = newConnectionId();
    const pair = new ConnectedPair((host) =>
      new QuicConnection({
        native: quiche().Connection.accept(id, null, host.local, CLIENT, config),
        side: "server",
        id: id.toHex(),
        remote: CLIENT,
        resetTokenOf: () => 1n,
        host,
        limits: DEFAULT_QUIC_LIMITS,
        events: { onEstablished: () => {}, onStream: () => {}, onClosed: () => {} },
      }), ({ local }) => new ManualClient(local, identity, options));
    for (let flights = 0; flights < 5; flights++) {
      pair.toDaemon();
      pair.toClient();
    }
    return pair;
  }

  /** What the client has to say comes to the daemon, which answers. */
  toDaemon(): void {
    for (const datagram of this.client.produce()) this.connection.receive(datagram, CLIENT);
    this.connection.flush();
  }

  /** What the daemon has said comes to the client. */
  toClient(): void {
    for (const datagram of this.host.take()) this.client.consume(datagram);
  }

  [Symbol.dispose](): void {
    this.connection.drop();
  }
}
