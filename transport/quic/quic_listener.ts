import { createPrivateKey, X509Certificate } from "node:crypto";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { Fingerprint } from "../../identity/fingerprint.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { type PeerSource, peerSource } from "../peer_source.ts";
import { formatRemoteAddress } from "../remote_address.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import type { Authorize, PeerCertificate } from "../session.ts";
import { SourceQuota } from "../source_quota.ts";
import {
  MAX_UNFINISHED_HANDSHAKES,
  MAX_UNFINISHED_HANDSHAKES_PER_SOURCE,
  MAX_UNFINISHED_LOCAL_HANDSHAKES,
} from "../transport_limits.ts";
import { UnfinishedHandshakes } from "../unfinished_handshakes.ts";
import { refusedHandshake } from "./connection_failure.ts";
import { CONNECTION_ID_BYTES, hasLongHeader, newConnectionId } from "./connection_id.ts";
import { HandshakeRateLimiter } from "./handshake_rate_limiter.ts";
import { initialRefusal } from "./initial_refusal.ts";
import { nativeConfig, type QuicIdentity } from "./native_config.ts";
import type { QuicClose } from "./quic_close.ts";
import { alertFor, APPLICATION_CODE, TLS_ALERT, TLS_ALERT_BASE, TRANSPORT_CODE } from "./quic_code.ts";
import { QuicConnection, type QuicConnectionEvents } from "./quic_connection.ts";
import { QuicEndpoint } from "./quic_endpoint.ts";
import type { QuicStream } from "./quic_stream.ts";
import type { HandshakeRate, QuicTransportLimits } from "./quic_transport_limits.ts";
import { type Host, quiche } from "./quiche_addon.ts";
import { RetryTokens } from "./retry_token.ts";
import { StatelessResets } from "./stateless_reset.ts";
import type { UdpCounters } from "./udp_socket.ts";

/** What a {@linkcode QuicListener} is started with. */
export interface QuicListenerOptions {
  readonly hostname: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly tls: ServerTlsMaterial;
  readonly limits: QuicTransportLimits;
  /** Outlives the process, so that peers of connections that died with it are told; {@linkcode RESET_KEY_BYTES} long. */
  readonly resetKey: Uint8Array;
  /** Asked when a handshake is complete, before any stream is looked at. */
  readonly authorize: Authorize;
  /** A peer that was let in has opened a stream. */
  readonly onStream: (stream: QuicStream, connection: QuicConnection) => void;
  /** Hears of each connection that was not let in; to be logged. */
  readonly onRefused: (remoteAddress: string, refusal: PalyraError) => void;
  /** Defaults to {@linkcode peerSource}; for tests, which have one machine. */
  readonly sourceOf?: typeof peerSource;
}

/** The smallest datagram that may begin a connection (RFC 9000, section 14.1); what is smaller is not answered. */
const MIN_INITIAL_DATAGRAM_BYTES = 1_200;

/** Initial packets, by the native library's numbers. */
const INITIAL_PACKET = 0;

/** Resets that are sent at most: a flood of packets of no connection costs no more than these. */
const RESET_RATE: HandshakeRate = { burst: 1_024, perSecond: 256 };

/** Accepts QUIC connections with client certificates, and keeps what their peers may take within bounds. */
export class QuicListener implements QuicConnectionEvents {
  readonly #options: QuicListenerOptions;
  readonly #limits: QuicTransportLimits;
  readonly #endpoint: QuicEndpoint;
  readonly #tokens = new RetryTokens();
  readonly #resets: StatelessResets;
  readonly #rate: HandshakeRateLimiter;
  readonly #resetRate = new HandshakeRateLimiter(RESET_RATE);
  readonly #unfinished: UnfinishedHandshakes<QuicConnection>;
  /** Connections that were let in, counted by the certificate they were made with. */
  readonly #admitted: SourceQuota;
  readonly #admittedPeers = new Map<QuicConnection, Fingerprint>();
  #identity: QuicIdentity;
  #accepted = 0;
  #closing = false;
  #closed: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  private constructor(options: QuicListenerOptions, identity: QuicIdentity) {
    this.#options = options;
    const limits = this.#limits = options.limits;
    this.#identity = identity;
    this.#resets = new StatelessResets(options.resetKey);
    this.#rate = new HandshakeRateLimiter(limits.handshakeRate);
    this.#admitted = new SourceQuota(limits.maxConnections, limits.maxConnectionsPerPeer);
    this.#unfinished = new UnfinishedHandshakes(
      {
        max: MAX_UNFINISHED_HANDSHAKES,
        maxPerSource: MAX_UNFINISHED_HANDSHAKES_PER_SOURCE,
        maxLocal: MAX_UNFINISHED_LOCAL_HANDSHAKES,
      },
      (connection) => this.#refuseHandshake(connection),
    );
    this.#endpoint = QuicEndpoint.bind(options.hostname, options.port, (datagram, from) => this.#begin(datagram, from));
  }

  /**
   * Listens. Throws `listen_failed`, `state_damaged` for certificates that could serve nobody, and `unsupported` where there
   * is no QUIC; nothing listens then.
   */
  static start(options: QuicListenerOptions): QuicListener {
    return new QuicListener(options, usableIdentity(options.tls, options.limits));
  }

  /** Where it listens. */
  get address(): { readonly hostname: string; readonly port: number } {
    const { host, port } = this.#endpoint.local;
    return { hostname: host, port };
  }

  /** Connections that were let in and are open. */
  get connectionCount(): number {
    return this.#admittedPeers.size;
  }

  /** Connections that something is kept of: the open ones, those in their handshake and those that are closing. */
  get heldCount(): number {
    return this.#endpoint.connectionCount;
  }

  /** Connections that were let in since the start. */
  get acceptedCount(): number {
    return this.#accepted;
  }

  get datagrams(): Readonly<UdpCounters> {
    return this.#endpoint.counters;
  }

  /**
   * Uses other certificates for new connections; those that are open go on. Throws `state_damaged` for certificates that
   * could serve nobody, and keeps the ones it has.
   */
  reload(tls: ServerTlsMaterial): void {
    this.#identity = usableIdentity(tls, this.#limits);
  }

  /** Closes every connection made with this certificate, at once, and tells its peer that it was revoked. */
  closeConnections(fingerprint: Fingerprint): number {
    const connections = [...this.#admittedPeers].filter(([, owner]) => owner === fingerprint);
    for (const [connection] of connections) {
      connection.close({
        application: false,
        code: TLS_ALERT_BASE + TLS_ALERT.certificateRevoked,
        reason: "certificate_revoked",
      });
    }
    return connections.length;
  }

  /**
   * Takes no more connections, waits at most `graceMs` milliseconds for those to end that something goes on in, tells the
   * peers of what is left that the daemon stops, and frees the port. Closing again waits for the same end.
   */
  async close(graceMs: number): Promise<void> {
    this.#closed ??= this.#close(graceMs);
    await this.#closed;
  }

  onEstablished(connection: QuicConnection): void {
    this.#unfinished.end(connection);
    const refusal = this.#admit(connection);
    if (refusal === undefined) {
      this.#accepted++;
      return;
    }
    this.#options.onRefused(connection.remoteAddress, refusal);
    if (refusal.code === "connection_limit") {
      const code = APPLICATION_CODE.tooManyConnections;
      return connection.close({ application: true, code, reason: refusal.code });
    }
    connection.close({ application: false, code: TLS_ALERT_BASE + alertFor(refusal.code), reason: refusal.code });
  }

  onStream(stream: QuicStream, connection: QuicConnection): void {
    this.#options.onStream(stream, connection);
  }

  onClosed(close: QuicClose, connection: QuicConnection): void {
    this.#unfinished.end(connection);
    const admitted = this.#admittedPeers.get(connection);
    if (admitted !== undefined) {
      this.#admittedPeers.delete(connection);
      this.#admitted.giveBack(admitted);
      if (this.#admittedPeers.size === 0) this.#onEmpty?.();
    } else if (!connection.isEstablished && !this.#closing) {
      this.#options.onRefused(connection.remoteAddress, refusedHandshake(close));
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#closing = true;
    this.#sayGoodbye((connection) => connection.streamCount === 0);
    if (this.#admittedPeers.size > 0) {
      const empty = Promise.withResolvers<void>();
      this.#onEmpty = empty.resolve;
      const timer = setTimeout(empty.resolve, graceMs);
      await empty.promise;
      clearTimeout(timer);
    }
    this.#sayGoodbye(() => true);
    await this.#endpoint.close();
  }

  #sayGoodbye(to: (connection: QuicConnection) => boolean): void {
    for (const connection of [...this.#endpoint.connections].filter(to)) {
      connection.close({ application: true, code: APPLICATION_CODE.refused, reason: "shutting_down" });
    }
  }

  #admit(connection: QuicConnection): PalyraError | undefined {
    const { peer } = connection;
    if (peer === undefined) {
      return new PalyraError("certificate_missing", "The peer showed no client certificate. It must be paired first.");
    }
    const refusal = this.#judge(peer);
    if (refusal !== undefined) return refusal;
    if (!this.#admitted.take(peer.fingerprint)) return this.#tooManyConnections();
    this.#admittedPeers.set(connection, peer.fingerprint);
    return undefined;
  }

  /** What `authorize` says; a failure of its own refuses too. */
  #judge(peer: PeerCertificate): PalyraError | undefined {
    try {
      return this.#options.authorize(peer);
    } catch (error) {
      return PalyraError.from(error);
    }
  }

  /** A datagram that belongs to no connection: perhaps the first of a new one. */
  #begin(datagram: Uint8Array, from: Host): void {
    if (this.#closing) return;
    if (!hasLongHeader(datagram)) return this.#reset(datagram, from);
    if (datagram.length < MIN_INITIAL_DATAGRAM_BYTES) return;
    const header = parseHeader(datagram);
    if (header === undefined) return;
    const { version, scid, dcid, token } = header;
    // A Version Negotiation packet, which is never answered (RFC 9000, section 6.1).
    if (version === 0) return;
    if (!quiche().versionIsSupported(version)) {
      return this.#answer(from, (buffer) => quiche().negotiateVersion(scid, dcid, buffer));
    }
    if (header.ty !== INITIAL_PACKET) return;
    if (token === undefined || token.length === 0) {
      const retryId = newConnectionId();
      const fresh = this.#tokens.issue(from, dcid, retryId);
      return this.#answer(from, (buffer) => quiche().retry(scid, dcid, retryId, fresh, version, buffer));
    }
    if (dcid.length !== CONNECTION_ID_BYTES) return;
    const originalId = this.#tokens.redeem(token, from, dcid);
    if (originalId === undefined) return;
    const { sourceOf = peerSource } = this.#options;
    const source = sourceOf(from.host, this.#endpoint.local.host);
    const refusal = this.#refusalBefore(source);
    if (refusal !== undefined) {
      this.#options.onRefused(formatRemoteAddress(from.host, from.port), refusal);
      return this.#refuse(from, header, refusal.code);
    }
    this.#accept(datagram, from, header, originalId, source);
  }

  /** What keeps an address that has proved itself from beginning a handshake now. */
  #refusalBefore(source: PeerSource): PalyraError | undefined {
    if (!this.#rate.allows(source.key)) {
      return new PalyraError("rate_limited", "More handshakes were begun from this address than one may in this time.");
    }
    return this.#admittedPeers.size >= this.#limits.maxConnections ? this.#tooManyConnections() : undefined;
  }

  #tooManyConnections(): PalyraError {
    const { maxConnections, maxConnectionsPerPeer } = this.#limits;
    return new PalyraError(
      "connection_limit",
      `There are ${this.#admittedPeers.size} QUIC connections; ${maxConnections} are taken in all and ` +
        `${maxConnectionsPerPeer} of one certificate.`,
    );
  }

  #accept(datagram: Uint8Array, from: Host, header: InitialHeader, originalId: Uint8Array, source: PeerSource): void {
    const { dcid: id } = header;
    const config = nativeConfig(this.#identity, this.#limits);
    config.setStatelessResetToken(this.#resets.tokenNumberOf(id));
    const connection = new QuicConnection({
      native: quiche().Connection.accept(id, originalId, this.#endpoint.local, from, config),
      side: "server",
      id: id.toHex(),
      remote: from,
      resetTokenOf: (further) => this.#resets.tokenNumberOf(further),
      host: this.#endpoint,
      limits: this.#limits,
      events: this,
    });
    if (!this.#unfinished.begin(connection, source)) {
      this.#refuseHandshake(connection);
      // It has not received anything yet, so it has no keys to say so itself.
      return this.#refuse(from, header, "rate_limited");
    }
    this.#endpoint.add(connection);
    connection.receive(datagram, from);
  }

  /** Too many handshakes are unfinished; this one gives way. */
  #refuseHandshake(connection: QuicConnection): void {
    connection.close({ application: false, code: TRANSPORT_CODE.connectionRefused, reason: "rate_limited" });
    connection.drop();
  }

  /** Tells a client why not, and keeps nothing of it. */
  #refuse(from: Host, { version, scid, dcid }: InitialHeader, code: ReasonCode): void {
    const refused = { version, clientId: scid, serverId: dcid };
    const packet = initialRefusal(refused, TRANSPORT_CODE.connectionRefused, code);
    if (packet === undefined) return;
    this.#answer(from, (buffer) => {
      buffer.set(packet);
      return packet.length;
    });
  }

  /** A packet of a connection that an earlier process had: its peer is told that it is over. */
  #reset(datagram: Uint8Array, from: Host): void {
    const reset = this.#resets.answerTo(datagram);
    if (reset === undefined || !this.#resetRate.allows("all")) return;
    this.#answer(from, (buffer) => {
      buffer.set(reset);
      return reset.length;
    });
  }

  /** Sends one datagram outside of any connection. */
  #answer(to: Host, write: (buffer: Uint8Array) => number): void {
    const buffer = this.#endpoint.takeBuffer();
    let length: number;
    try {
      length = write(buffer);
    } catch {
      // Ids or tokens that the native library does not take: no client of ours.
      return this.#endpoint.giveBack(buffer);
    }
    this.#endpoint.send(buffer, length, to);
  }
}

type InitialHeader = NonNullable<ReturnType<typeof parseHeader>>;

function parseHeader(datagram: Uint8Array) {
  try {
    return quiche().Header.fromSlice(datagram, CONNECTION_ID_BYTES);
  } catch {
    return undefined;
  }
}

/** Throws `state_damaged` for what could serve nobody: the native library takes much of that in silence. */
function usableIdentity(tls: ServerTlsMaterial, limits: QuicTransportLimits): QuicIdentity {
  const { certificatePem, keyPem, clientCaPem: caPem } = tls;
  const identity = { caPem, certificatePem, keyPem };
  let cause: unknown;
  try {
    nativeConfig(identity, limits);
    for (const pem of caPem) new X509Certificate(pem);
    if (caPem.length > 0 && new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))) {
      return identity;
    }
  } catch (error) {
    if (error instanceof PalyraError) throw error;
    cause = error;
  }
  throw new PalyraError(
    "state_damaged",
    "The daemon's certificate, key or CA cannot be used for QUIC: they cannot be read, or do not belong " +
      "together. Restart the daemon; if that does not help, restore its state.",
    { cause },
  );
}
