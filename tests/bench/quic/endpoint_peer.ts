import { QuicClient } from "../../../transport/quic/quic_client.ts";
import { RESET_KEY_BYTES } from "../../../transport/quic/stateless_reset.ts";
import { QuicListener } from "../../../transport/quic/quic_listener.ts";
import type { QuicStream, StreamEnd, StreamOwner } from "../../../transport/quic/quic_stream.ts";
import { quicLimits } from "../../../transport/quic/quic_transport_limits.ts";
import {
  IDLE_MS,
  MAX_STREAMS,
  type QuicBenchConnection,
  type QuicBenchStream,
  type QuicMaterial,
  type QuicPeer,
} from "./quic_peer.ts";

const LIMITS = quicLimits({
  idleTimeoutMs: IDLE_MS,
  maxBidirectionalStreams: MAX_STREAMS,
  // All handshakes come from one address and with one certificate.
  maxConnections: 100_000,
  maxConnectionsPerPeer: 100_000,
  handshakeRate: { burst: 1_000_000, perSecond: 1_000_000 },
});

/** What may wait to be sent before a writer is held back, in bytes. */
const HIGH_WATER = 256 * 1024;

/** This project's endpoint, with mutual TLS, retry and the check of each certificate. */
export class EndpointPeer implements QuicPeer {
  async listen(material: QuicMaterial, onStream: (stream: QuicBenchStream) => void): Promise<number> {
    const listener = QuicListener.start({
      resetKey: crypto.getRandomValues(new Uint8Array(RESET_KEY_BYTES)),
      hostname: "127.0.0.1",
      port: 0,
      tls: {
        certificatePem: material.serverChainPem,
        keyPem: material.serverKeyPem,
        clientCaPem: [material.caPem],
      },
      limits: LIMITS,
      authorize: () => undefined,
      onStream: (stream) => onStream(new OwnedStream(stream)),
      onRefused: () => {},
    });
    return await Promise.resolve(listener.address.port);
  }

  async connect(material: QuicMaterial, port: number): Promise<QuicBenchConnection> {
    const client = await QuicClient.connect({
      address: { host: "127.0.0.1", port },
      material: {
        caPem: [material.caPem],
        certificatePem: material.clientCertificatePem,
        keyPem: material.clientKeyPem,
      },
      limits: LIMITS,
    }, new AbortController().signal);
    return {
      openStream: () => Promise.resolve(new OwnedStream(client.connection.openStream())),
      close: () => client.close(),
    };
  }
}

/** A stream of this project, read and written with promises. */
class OwnedStream implements QuicBenchStream, StreamOwner {
  readonly #stream: QuicStream;
  readonly #chunks: Uint8Array[] = [];
  #end: StreamEnd | undefined;
  #reading: PromiseWithResolvers<Uint8Array | null> | undefined;
  #draining: PromiseWithResolvers<void> | undefined;

  constructor(stream: QuicStream) {
    this.#stream = stream;
    stream.own(this);
  }

  onData(bytes: Uint8Array): void {
    const chunk = bytes.slice();
    const reading = this.#reading;
    this.#reading = undefined;
    if (reading === undefined) this.#chunks.push(chunk);
    else reading.resolve(chunk);
  }

  onEnd(end: StreamEnd): void {
    this.#end = end;
    const reading = this.#reading;
    this.#reading = undefined;
    if (end.kind === "finished") return reading?.resolve(null);
    const error = endedBy(end);
    reading?.reject(error);
    this.#draining?.reject(error);
  }

  onDrained(): void {
    this.#draining?.resolve();
    this.#draining = undefined;
  }

  read(): Promise<Uint8Array | null> {
    const chunk = this.#chunks.shift();
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.#end?.kind === "finished") return Promise.resolve(null);
    if (this.#end !== undefined) return Promise.reject(endedBy(this.#end));
    this.#reading = Promise.withResolvers();
    return this.#reading.promise;
  }

  write(bytes: Uint8Array, last: boolean): Promise<void> {
    if (this.#end !== undefined && this.#end.kind !== "finished") return Promise.reject(endedBy(this.#end));
    this.#stream.write(bytes, { fin: last });
    if (this.#stream.unsentBytes < HIGH_WATER) return Promise.resolve();
    this.#draining ??= Promise.withResolvers();
    return this.#draining.promise;
  }
}

function endedBy({ kind }: StreamEnd): Error {
  return new Error(`the stream was ended: ${kind}`);
}
