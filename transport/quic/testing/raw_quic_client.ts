import { setImmediate } from "node:timers";
import { DAEMON_SERVER_NAME } from "../../client_tls_material.ts";
import { newConnectionId } from "../connection_id.ts";
import { nativeConfig, type QuicIdentity } from "../native_config.ts";
import type { QuicClose } from "../quic_close.ts";
import { APPLICATION_CODE } from "../quic_code.ts";
import { QuicConnection, type QuicConnectionEvents } from "../quic_connection.ts";
import { QuicEndpoint } from "../quic_endpoint.ts";
import type { QuicStream } from "../quic_stream.ts";
import { quicLimits, type QuicTransportLimits } from "../quic_transport_limits.ts";
import { type Host, quiche } from "../quiche_addon.ts";

/** What a {@linkcode RawQuicClient} is like. */
export interface RawQuicClientOptions {
  readonly identity: QuicIdentity;
  /** Default: the project's own. */
  readonly alpn?: string;
  /** Changes to the defaults. */
  readonly limits?: Partial<QuicTransportLimits>;
}

/** A client's connection that asks nothing of itself: with any certificate or none, and any protocol. */
export class RawQuicClient implements QuicConnectionEvents, AsyncDisposable {
  readonly connection: QuicConnection;
  /** Resolves when the handshake is complete on this side; false when the connection ended before. */
  readonly established: Promise<boolean>;
  /** How the connection ended. */
  readonly closed: Promise<QuicClose>;
  readonly #endpoint: QuicEndpoint;
  readonly #established = Promise.withResolvers<boolean>();

  private constructor(address: Host, { identity, alpn, limits }: RawQuicClientOptions) {
    this.established = this.#established.promise;
    this.#endpoint = QuicEndpoint.bind("0.0.0.0", 0);
    const id = newConnectionId();
    const settled = quicLimits(limits);
    const config = nativeConfig(identity, settled, alpn);
    this.connection = new QuicConnection({
      native: quiche().Connection.connect(DAEMON_SERVER_NAME, id, this.#endpoint.local, address, config),
      side: "client",
      id: id.toHex(),
      remote: address,
      resetTokenOf: undefined,
      host: this.#endpoint,
      limits: settled,
      events: this,
    });
    this.closed = this.connection.whenClosed;
    this.#endpoint.add(this.connection);
    this.connection.flush();
  }

  /** Begins to connect. */
  static begin(address: Host, options: RawQuicClientOptions): RawQuicClient {
    return new RawQuicClient(address, options);
  }

  /** Connects; throws when the connection ends before the handshake is complete on this side. */
  static async connect(address: Host, options: RawQuicClientOptions): Promise<RawQuicClient> {
    const client = RawQuicClient.begin(address, options);
    if (await client.established) return client;
    await client[Symbol.asyncDispose]();
    throw new Error(`the connection ended: ${JSON.stringify(client.connection.closed)}`);
  }

  onEstablished(): void {
    this.#established.resolve(true);
  }

  onStream(stream: QuicStream): void {
    stream.reset(APPLICATION_CODE.streamNotServed);
  }

  onClosed(): void {
    this.#established.resolve(false);
  }

  /** Vanishes: the daemon hears nothing more, not even that. */
  async vanish(): Promise<void> {
    this.connection.drop();
    await this.#endpoint.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.close({ application: true, code: APPLICATION_CODE.done, reason: "" });
    // What it says at its end leaves with this turn.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#endpoint.close();
  }
}
