import { isIPv6 } from "node:net";
import { formatEndpoint } from "../../identity/endpoint.ts";
import { type Fingerprint, sameFingerprint } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import { assertKeyBelongs, type ClientTlsMaterial, DAEMON_SERVER_NAME } from "../client_tls_material.ts";
import type { PeerCertificate } from "../session.ts";
import { dialFailure } from "./connection_failure.ts";
import { hasLongHeader, newConnectionId } from "./connection_id.ts";
import { FrameStream } from "./frame_stream.ts";
import { nativeConfig } from "./native_config.ts";
import type { QuicClose } from "./quic_close.ts";
import { APPLICATION_CODE, TLS_ALERT, TLS_ALERT_BASE, TRANSPORT_CODE } from "./quic_code.ts";
import { QuicConnection, type QuicConnectionEvents } from "./quic_connection.ts";
import { QuicEndpoint } from "./quic_endpoint.ts";
import type { QuicStream } from "./quic_stream.ts";
import { quicLimits, type QuicTransportLimits } from "./quic_transport_limits.ts";
import { type Host, type NativeConfig, type NativeConnection, quiche } from "./quiche_addon.ts";
import { ResetQuestion } from "./reset_question.ts";
import { asSocketsWrite, sameAddress } from "./udp_address.ts";

/** Where a {@linkcode QuicClient} connects to, and as whom. */
export interface QuicClientOptions {
  /** An IP address and a port. */
  readonly address: Host;
  readonly material: ClientTlsMaterial;
  /** The only server certificate that is accepted, beside the check against the CAs. */
  readonly pinnedServer?: Fingerprint;
  /** Changes to the defaults. */
  readonly limits?: Partial<QuicTransportLimits>;
}

/** A client's connection to a daemon, on a socket of its own. */
export class QuicClient implements QuicConnectionEvents {
  /** Resolves with the first sign of the end, when the socket is free again. Never rejects. */
  readonly closed: Promise<QuicClose>;
  readonly #options: QuicClientOptions;
  readonly #limits: QuicTransportLimits;
  readonly #address: Host;
  readonly #endpoint: QuicEndpoint;
  readonly #connection: QuicConnection;
  readonly #established = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<QuicClose>();
  #resetQuestion: ResetQuestion | undefined;

  private constructor(options: QuicClientOptions) {
    this.#options = options;
    this.#limits = quicLimits(options.limits);
    const { material } = options;
    const address = this.#address = asSocketsWrite(options.address);
    assertKeyBelongs(material);
    const config = nativeConfig(material, this.#limits);
    this.#endpoint = QuicEndpoint.bind(isIPv6(address.host) ? "::" : "0.0.0.0", 0, (datagram, from) => {
      this.#takeUnaddressed(datagram, from);
    });
    const id = newConnectionId();
    this.#connection = new QuicConnection({
      native: this.#connectNative(id, config),
      side: "client",
      id: id.toHex(),
      remote: address,
      resetTokenOf: undefined,
      host: this.#endpoint,
      limits: this.#limits,
      events: this,
    });
    this.#endpoint.add(this.#connection);
    this.#established.promise.catch(() => {});
    this.closed = this.#ended.promise.then(async (close) => {
      await this.#endpoint.close();
      return close;
    });
  }

  /**
   * Connects. Resolves when the handshake is complete on this side: the daemon may still refuse the certificate, so being
   * let in shows at the first answer.
   *
   * Rejects with `daemon_untrusted`, `daemon_unreachable`, what the daemon said (`certificate_missing`,
   * `certificate_untrusted`, `connection_limit`, …), `unsupported`, `permission_missing` or `cancelled`.
   */
  static async connect(options: QuicClientOptions, signal: AbortSignal): Promise<QuicClient> {
    if (signal.aborted) throw cancelled(signal);
    const client = new QuicClient(options);
    const giveUp = () => {
      client.#established.reject(cancelled(signal));
      client.#connection.close({ application: false, code: TRANSPORT_CODE.noError, reason: "cancelled" });
    };
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      client.#connection.flush();
      await client.#established.promise;
      return client;
    } catch (error) {
      await client.closed;
      throw error;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  get connection(): QuicConnection {
    return this.#connection;
  }

  /** The daemon's certificate. */
  get peer(): PeerCertificate {
    const { peer } = this.#connection;
    if (peer === undefined) throw new TypeError("a daemon that was verified has a certificate");
    return peer;
  }

  /** Longest payload of a frame, in bytes. */
  get maxFrameBytes(): number {
    return this.#limits.maxFrameBytes;
  }

  /** Why the connection is over, as a dialer says it; undefined while it is not. */
  get failure(): PalyraError | undefined {
    const { closed } = this.#connection;
    return closed === undefined ? undefined : dialFailure(closed, this.#connection.isEstablished);
  }

  /** A new stream for one request; throws `stream_limit`, and why the connection is over if it is. */
  openFrames(): FrameStream {
    if (this.failure !== undefined) throw this.failure;
    return new FrameStream(this.#connection.openStream(), this.#limits.maxFrameBytes);
  }

  /** Closes the connection and resolves when the socket is free. */
  async close(): Promise<void> {
    this.#connection.close({ application: true, code: APPLICATION_CODE.done, reason: "" });
    await this.closed;
  }

  onEstablished(): void {
    const { pinnedServer, address } = this.#options;
    this.#resetQuestion = new ResetQuestion(this.#daemonId);
    if (pinnedServer === undefined || sameFingerprint(pinnedServer, this.peer.fingerprint)) {
      return this.#established.resolve();
    }
    this.#established.reject(
      new PalyraError(
        "daemon_untrusted",
        `The certificate of what answers at ${formatEndpoint(address)} is not the one that was pinned. Check the ` +
          "address; if the daemon's certificate was renewed, pin the new one.",
      ),
    );
    // First the end of the handshake: without it the daemon could not read why it is left.
    this.#connection.flush();
    const code = TLS_ALERT_BASE + TLS_ALERT.badCertificate;
    this.#connection.close({ application: false, code, reason: "" });
  }

  onStream(stream: QuicStream): void {
    stream.reset(APPLICATION_CODE.streamNotServed);
  }

  onClosed(close: QuicClose): void {
    this.#established.reject(dialFailure(close, this.#connection.isEstablished));
    // The close itself leaves with the flush that follows in this turn.
    setImmediate(() => this.#ended.resolve(close));
  }

  /** The connection id by which the daemon is addressed at present. */
  get #daemonId(): Uint8Array {
    return new Uint8Array(this.#connection.native.destinationId());
  }

  /** What is addressed to no connection may be the daemon's word that it does not know this one any more. */
  #takeUnaddressed(datagram: Uint8Array, from: Host): void {
    const isDaemon = sameAddress(from, this.#address);
    if (!isDaemon || hasLongHeader(datagram) || this.#resetQuestion === undefined) return;
    this.#connection.receive(datagram, from);
    const question = this.#resetQuestion.next(this.#daemonId);
    if (question === undefined) return;
    const buffer = this.#endpoint.takeBuffer();
    buffer.set(question);
    this.#endpoint.send(buffer, question.length, this.#address);
  }

  #connectNative(id: Uint8Array, config: NativeConfig): NativeConnection {
    const address = this.#address;
    try {
      return quiche().Connection.connect(DAEMON_SERVER_NAME, id, this.#endpoint.local, address, config);
    } catch (cause) {
      void this.#endpoint.close();
      throw new PalyraError(
        "daemon_unreachable",
        `QUIC cannot connect to ${formatEndpoint(address)}. Check the daemon's address.`,
        { cause },
      );
    }
  }
}

function cancelled(signal: AbortSignal): PalyraError {
  return new PalyraError("cancelled", "Connecting was given up.", { cause: signal.reason });
}
