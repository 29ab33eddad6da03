import {
  ALPN,
  IDLE_MS,
  MAX_STREAMS,
  type QuicBenchConnection,
  type QuicBenchStream,
  type QuicMaterial,
  type QuicPeer,
  SERVER_NAME,
} from "./quic_peer.ts";
import { webStream } from "./web_stream.ts";

const TRANSPORT = { maxIdleTimeout: IDLE_MS, maxConcurrentBidirectionalStreams: MAX_STREAMS } as const;

/** Deno's own QUIC (quinn). Its server cannot ask for a client certificate, so only the server is authenticated. */
export class BuiltInPeer implements QuicPeer {
  #endpoint: Deno.QuicEndpoint | undefined;

  async listen(material: QuicMaterial, onStream: (stream: QuicBenchStream) => void): Promise<number> {
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
    const listener = endpoint.listen({
      cert: material.serverChainPem,
      key: material.serverKeyPem,
      alpnProtocols: [ALPN],
      ...TRANSPORT,
    });
    void accept(listener, onStream);
    return await Promise.resolve(endpoint.addr.port);
  }

  async connect(material: QuicMaterial, port: number): Promise<QuicBenchConnection> {
    this.#endpoint ??= new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
    const connection = await Deno.connectQuic<false>({
      hostname: "127.0.0.1",
      port,
      serverName: SERVER_NAME,
      caCerts: [material.caPem],
      alpnProtocols: [ALPN],
      endpoint: this.#endpoint,
      ...TRANSPORT,
    });
    return {
      openStream: async () => webStream(await connection.createBidirectionalStream({ waitUntilAvailable: true })),
      close: async () => {
        connection.close({ closeCode: 0, reason: "" });
        await Promise.resolve();
      },
    };
  }
}

async function accept(listener: Deno.QuicListener, onStream: (stream: QuicBenchStream) => void): Promise<void> {
  for await (const incoming of listener) {
    void incoming.accept<false>().then((connection) => serve(connection, onStream)).catch(() => {});
  }
}

async function serve(connection: Deno.QuicConn, onStream: (stream: QuicBenchStream) => void): Promise<void> {
  for await (const stream of connection.incomingBidirectionalStreams) onStream(webStream(stream));
}
