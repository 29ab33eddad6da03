import { createHmac, timingSafeEqual } from "node:crypto";
import { events, QUICClient, QUICServer, QUICSocket } from "@matrixai/quic";
import type { ReadableWritablePair } from "node:stream/web";
import {
  ALPN,
  CONNECTION_WINDOW,
  IDLE_MS,
  MAX_STREAMS,
  type QuicBenchConnection,
  type QuicBenchStream,
  type QuicMaterial,
  type QuicPeer,
  SERVER_NAME,
  STREAM_WINDOW,
} from "./quic_peer.ts";
import { webStream } from "./web_stream.ts";

const TRANSPORT = {
  verifyPeer: true,
  applicationProtos: [ALPN],
  maxIdleTimeout: IDLE_MS,
  initialMaxStreamsBidi: MAX_STREAMS,
  initialMaxData: CONNECTION_WINDOW,
  initialMaxStreamDataBidiLocal: STREAM_WINDOW,
  initialMaxStreamDataBidiRemote: STREAM_WINDOW,
};

/** The JavaScript of `@matrixai/quic` over the same addon, with mutual TLS. */
export class PackagePeer implements QuicPeer {
  #socket: Promise<QUICSocket> | undefined;

  async listen(material: QuicMaterial, onStream: (stream: QuicBenchStream) => void): Promise<number> {
    const server = new QUICServer({
      crypto: {
        key: crypto.getRandomValues(new Uint8Array(32)).buffer,
        ops: {
          sign: (key, data) => Promise.resolve(hmac(key, data)),
          verify: (key, data, signature) =>
            Promise.resolve(timingSafeEqual(new Uint8Array(hmac(key, data)), new Uint8Array(signature))),
        },
      },
      config: {
        ...TRANSPORT,
        ca: material.caPem,
        cert: material.serverChainPem,
        key: material.serverKeyPem,
      },
    });
    // The connection's own event comes too late for the first stream of a client.
    server.addEventListener(
      events.EventQUICConnectionStream.name,
      (event) => onStream(streamOf((event as events.EventQUICConnectionStream).detail)),
    );
    await server.start({ host: "127.0.0.1", port: 0 });
    return server.port;
  }

  async connect(material: QuicMaterial, port: number): Promise<QuicBenchConnection> {
    this.#socket ??= startSocket();
    const client = await QUICClient.createQUICClient({
      host: "127.0.0.1",
      port,
      serverName: SERVER_NAME,
      socket: await this.#socket,
      crypto: { ops: { randomBytes: (data) => Promise.resolve(fillRandom(data)) } },
      config: {
        ...TRANSPORT,
        ca: material.caPem,
        cert: material.clientCertificatePem,
        key: material.clientKeyPem,
      },
    });
    return {
      openStream: () => Promise.resolve(streamOf(client.connection.newStream())),
      close: () => client.destroy({ force: true }),
    };
  }
}

async function startSocket(): Promise<QUICSocket> {
  const socket = new QUICSocket({});
  await socket.start({ host: "127.0.0.1", port: 0 });
  return socket;
}

/** Its streams are Node's web streams, which differ from Deno's in type only. */
function streamOf(stream: ReadableWritablePair<Uint8Array, Uint8Array>): QuicBenchStream {
  return webStream(stream as unknown as Parameters<typeof webStream>[0]);
}

function hmac(key: ArrayBuffer, data: ArrayBuffer): ArrayBuffer {
  return new Uint8Array(createHmac("sha256", new Uint8Array(key)).update(new Uint8Array(data)).digest()).buffer;
}

function fillRandom(data: ArrayBuffer): void {
  crypto.getRandomValues(new Uint8Array(data));
}
