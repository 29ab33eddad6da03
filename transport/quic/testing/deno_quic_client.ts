import { DAEMON_SERVER_NAME } from "../../client_tls_material.ts";
import { FrameReader } from "../frame_reader.ts";
import { QUIC_ALPN, type QuicIdentity } from "../native_config.ts";
import { DEFAULT_QUIC_LIMITS } from "../quic_transport_limits.ts";
import type { Host } from "../quiche_addon.ts";

/** A client that nobody here wrote: Deno's own QUIC (quinn). It also says what the project's own never does, such as a FIN alone. */
export class DenoQuicClient implements AsyncDisposable {
  readonly #endpoint: Deno.QuicEndpoint;
  readonly #connection: Deno.QuicConn;
  /** How the connection ended, in quinn's words. */
  readonly closed: Promise<string>;

  private constructor(endpoint: Deno.QuicEndpoint, connection: Deno.QuicConn) {
    this.#endpoint = endpoint;
    this.#connection = connection;
    this.closed = connection.closed.then(
      ({ closeCode, reason }) => `${closeCode} ${reason}`,
      (error) => String(error.message),
    );
  }

  /** Connects; rejects when the handshake fails on this side. */
  static async connect({ host, port }: Host, { caPem, certificatePem, keyPem }: QuicIdentity): Promise<DenoQuicClient> {
    const endpoint = new Deno.QuicEndpoint({ hostname: "127.0.0.1", port: 0 });
    try {
      const options = {
        hostname: host,
        port,
        serverName: DAEMON_SERVER_NAME,
        alpnProtocols: [QUIC_ALPN],
        caCerts: [...caPem],
        endpoint,
        // Not declared, but there: the client's certificate.
        ...(certificatePem !== undefined && { cert: certificatePem, key: keyPem }),
      };
      return new DenoQuicClient(endpoint, await Deno.connectQuic(options));
    } catch (error) {
      endpoint.close();
      throw error;
    }
  }

  /** Opens a stream in both directions. */
  async openStream(): Promise<DenoQuicStream> {
    const { readable, writable } = await this.#connection.createBidirectionalStream();
    return new DenoQuicStream(writable, readable);
  }

  /** Opens a stream that only this side writes on. */
  async openOneWay(): Promise<DenoQuicStream> {
    return new DenoQuicStream(await this.#connection.createUnidirectionalStream());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection.close({ closeCode: 0, reason: "" });
    await this.closed;
    this.#endpoint.close();
  }
}

/** One stream of a {@linkcode DenoQuicClient}. */
export class DenoQuicStream {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #frames = new FrameReader(DEFAULT_QUIC_LIMITS.maxFrameBytes);
  readonly #payloads: Uint8Array[] = [];
  /** Why nothing more can be written, in quinn's words; undefined when this side has ended the stream. */
  readonly writingOver: Promise<string | undefined>;

  constructor(writable: WritableStream<Uint8Array>, readable?: ReadableStream<Uint8Array>) {
    this.#writer = writable.getWriter();
    this.writingOver = this.#writer.closed.then(() => undefined, (error) => String(error.message));
    this.#reader = readable?.getReader();
    this.#reader?.closed.catch(() => {});
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer.write(bytes);
  }

  /** Sends the FIN, alone. */
  async finish(): Promise<void> {
    await this.#writer.close();
  }

  /** Gives up sending (RESET_STREAM). */
  async reset(): Promise<void> {
    await this.#writer.abort(new Error("reset"));
  }

  /** Wants to hear nothing more (STOP_SENDING). */
  async stop(): Promise<void> {
    await this.#reader?.cancel();
  }

  /** The next frame, read as JSON; undefined when the daemon has ended the stream. */
  async nextJson(): Promise<unknown> {
    while (this.#payloads.length === 0) {
      // deno-lint-ignore no-await-in-loop -- one piece after the other
      const piece = await this.#reader?.read();
      if (piece?.value === undefined) return undefined;
      this.#payloads.push(...this.#frames.push(piece.value));
    }
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(this.#payloads.shift()));
  }
}
