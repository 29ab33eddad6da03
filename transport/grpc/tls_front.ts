import { type AddressInfo, Socket } from "node:net";
import * as tls from "node:tls";
import { type ConnectionInjector, type Server, ServerCredentials } from "@grpc/grpc-js";
import { type Fingerprint, fingerprintOf } from "../../identity/fingerprint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import type { ServerTlsMaterial } from "../server_tls_material.ts";
import type { Authorize, PeerCertificate } from "../session.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  type ListenerLimits,
  MAX_UNFINISHED_HANDSHAKES,
  MAX_UNFINISHED_HANDSHAKES_PER_SOURCE,
  MAX_UNFINISHED_LOCAL_HANDSHAKES,
} from "../transport_limits.ts";
import { handshakeFailure } from "./handshake_failure.ts";
import { listenError } from "../listen_error.ts";
import { type PeerSource, peerSource } from "../peer_source.ts";
import { RefusalResponder } from "./refusal_responder.ts";
import { formatRemoteAddress } from "../remote_address.ts";
import { guardRequests } from "./request_guard.ts";
import { SourceQuota } from "../source_quota.ts";
import { type HandshakeLimits, UnfinishedHandshakes } from "../unfinished_handshakes.ts";

/** Whether clients must show a certificate (and which) or show none. */
export type FrontMode =
  | { readonly kind: "mutual"; readonly authorize: Authorize }
  | { readonly kind: "server-only" };

/** Reports a connection that was not let in. */
export type OnRefused = (remoteAddress: string, refusal: PalyraError) => void;

/** How a {@linkcode TlsFront} behaves. */
export interface TlsFrontOptions {
  readonly mode: FrontMode;
  readonly tls: ServerTlsMaterial;
  readonly onRefused: OnRefused;
  readonly limits: FrontLimits;
  /** Defaults to {@linkcode HANDSHAKE_TIMEOUT_MS}. */
  readonly handshakeTimeoutMs?: number;
  /** Defaults to the bounds of every listener. */
  readonly handshakeLimits?: HandshakeLimits;
  /** Defaults to {@linkcode peerSource}; for tests, which have one machine. */
  readonly sourceOf?: typeof peerSource;
}

/** What a listener's limits say about its connections. */
export type FrontLimits = Pick<ListenerLimits, "maxConnections" | "maxConnectionsPerAddress" | "requestTimeoutMs">;

const HANDSHAKE_LIMITS: HandshakeLimits = {
  max: MAX_UNFINISHED_HANDSHAKES,
  maxPerSource: MAX_UNFINISHED_HANDSHAKES_PER_SOURCE,
  maxLocal: MAX_UNFINISHED_LOCAL_HANDSHAKES,
};

/** Drops live connections; what revocation and dead sessions need. */
export interface ConnectionControl {
  /** Drops every connection made with this certificate, at once, and returns how many there were. */
  closeConnections(fingerprint: Fingerprint): number;
  /** Drops the connections from `remoteAddress` (`address:port`) that were made with this certificate. */
  dropConnection(remoteAddress: string, fingerprint: Fingerprint): number;
}

interface Handshake {
  readonly socket: Socket;
  readonly remoteAddress: string;
  readonly source: PeerSource;
  /** Ends a handshake that takes too long. */
  readonly timer: ReturnType<typeof setTimeout>;
  /** It was refused, and reported, before TLS had its say. */
  refused: boolean;
  /** It became a connection that was let in. */
  admitted: boolean;
}

interface Connection {
  readonly remoteAddress: string;
  readonly fingerprint: Fingerprint;
}

/**
 * The TLS server in front of a gRPC server.
 *
 * grpc-js's own TLS server cannot be used: on Deno all TLS servers of a process share one ticket key and a resumed
 * session is not verified again, so a ticket of the enrolment port would open the mutual one without a certificate.
 * Here each connection is judged by its certificate before gRPC sees a byte, and resumed sessions are refused.
 */
export class TlsFront implements ConnectionControl {
  readonly #options: TlsFrontOptions;
  readonly #server: tls.Server;
  readonly #injector: ConnectionInjector;
  readonly #refusals = new RefusalResponder();
  /** Every TCP connection, those that are still in their handshake included. */
  readonly #sockets = new Set<Socket>();
  /** What is known of a connection before its TLS is up. */
  readonly #handshakes = new WeakMap<Socket, Handshake>();
  readonly #unfinished: UnfinishedHandshakes<Handshake>;
  /** The places of connections that were let in. */
  readonly #admitted: SourceQuota;
  /** Connections that were let in with a certificate. */
  readonly #connections = new Map<tls.TLSSocket, Connection>();

  constructor(server: Server, options: TlsFrontOptions) {
    this.#options = options;
    const { maxConnections, maxConnectionsPerAddress, requestTimeoutMs } = options.limits;
    this.#admitted = new SourceQuota(maxConnections, maxConnectionsPerAddress);
    this.#unfinished = new UnfinishedHandshakes(
      options.handshakeLimits ?? HANDSHAKE_LIMITS,
      (handshake) =>
        this.#refuse(handshake, "connection_limit", "The handshake was unfinished when newer ones needed its place."),
    );
    this.#injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    if (requestTimeoutMs !== undefined) guardRequests(server, requestTimeoutMs);
    const mutual = options.mode.kind === "mutual";
    this.#server = tls.createServer({
      ...contextOptions(options),
      ALPNProtocols: ["h2"],
      requestCert: mutual,
      rejectUnauthorized: mutual,
    });
    this.#server.on("connection", (socket: Socket) => this.#onConnection(socket));
    this.#server.on("secureConnection", (socket) => this.#onSecureConnection(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#onHandshakeFailed(error, socket));
  }

  /** Starts to accept; rejects with `listen_failed`. Port 0 takes a free one. */
  async listen(hostname: string, port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    try {
      this.#server.listen(port, hostname, resolve);
      await promise;
    } catch (error) {
      throw listenError(hostname, port, error);
    } finally {
      this.#server.off("error", reject);
    }
    this.#server.on("error", () => {
      // A failed accept (out of file descriptors, a peer gone) concerns that connection; the port stays open.
    });
  }

  /** Where it listens; undefined before `listen` and after `close`. */
  get address(): { readonly hostname: string; readonly port: number } | undefined {
    const address = this.#server.address() as AddressInfo | null;
    return address === null ? undefined : { hostname: address.address, port: address.port };
  }

  /** TCP connections that are open now. */
  get connectionCount(): number {
    return this.#sockets.size;
  }

  /** Uses other certificates for new connections; those that are open go on. */
  reload(material: ServerTlsMaterial): void {
    this.#server.setSecureContext(contextOptions({ ...this.#options, tls: material }));
  }

  closeConnections(fingerprint: Fingerprint): number {
    return this.#destroyWhere((connection) => connection.fingerprint === fingerprint);
  }

  dropConnection(remoteAddress: string, fingerprint: Fingerprint): number {
    return this.#destroyWhere((connection) =>
      connection.fingerprint === fingerprint && connection.remoteAddress === remoteAddress
    );
  }

  /** Stops to accept and settles when the last connection is gone. */
  async close(): Promise<void> {
    this.#refusals.close();
    const { promise, resolve } = Promise.withResolvers<void>();
    // An error here means that it was not listening any more.
    this.#server.close(() => resolve());
    await promise;
  }

  /** Drops every connection. */
  destroyConnections(): void {
    for (const socket of this.#connections.keys()) socket.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  #destroyWhere(matches: (connection: Connection) => boolean): number {
    let count = 0;
    for (const [socket, connection] of this.#connections) {
      if (!matches(connection)) continue;
      socket.destroy();
      this.#connections.delete(socket);
      count++;
    }
    return count;
  }

  #onConnection(socket: Socket): void {
    socket.on("error", () => {
      // The TLS layer reports it.
    });
    const { handshakeTimeoutMs, sourceOf = peerSource } = this.#options;
    // Deno's node:tls has no handshake timeout of its own.
    const timer = setTimeout(
      () => this.#refuse(handshake, "deadline_exceeded", "The peer did not finish the TLS handshake in time."),
      handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    );
    const handshake: Handshake = {
      socket,
      remoteAddress: formatRemoteAddress(socket.remoteAddress, socket.remotePort),
      source: sourceOf(socket.remoteAddress, socket.localAddress),
      timer,
      refused: false,
      admitted: false,
    };
    this.#handshakes.set(socket, handshake);
    this.#sockets.add(socket);
    socket.once("close", () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#unfinished.end(handshake);
      if (handshake.admitted) this.#admitted.giveBack(handshake.source.key);
    });
    if (!this.#unfinished.begin(handshake, handshake.source)) {
      this.#refuse(
        handshake,
        "connection_limit",
        "Too many TLS handshakes are unfinished, here or from the peer's address. Try again later.",
      );
    }
  }

  /** Ends a connection whose TLS is not up. */
  #refuse(handshake: Handshake, code: ReasonCode, message: string): void {
    handshake.refused = true;
    this.#options.onRefused(handshake.remoteAddress, new PalyraError(code, message));
    handshake.socket.destroy();
  }

  #onHandshakeFailed(error: Error, socket: tls.TLSSocket): void {
    const handshake = this.#handshakeOf(socket);
    if (handshake?.refused) return;
    const { mode, onRefused } = this.#options;
    const failure = handshakeFailure(error, { clientCertificates: mode.kind === "mutual" });
    onRefused(handshake?.remoteAddress ?? "unknown", failure);
  }

  /** Only the TCP socket inside a TLS socket tells which connection a failed handshake was of. */
  #handshakeOf(socket: tls.TLSSocket): Handshake | undefined {
    const inner: unknown = Reflect.get(socket, "_parent");
    return inner instanceof Socket ? this.#handshakes.get(inner) : undefined;
  }

  #onSecureConnection(socket: tls.TLSSocket): void {
    socket.on("error", () => {
      // The end of the connection reaches the calls on it; there is nobody else to tell.
    });
    const handshake = this.#handshakeOf(socket);
    clearTimeout(handshake?.timer);
    if (handshake === undefined || handshake.refused) {
      socket.destroy();
      return;
    }
    this.#unfinished.end(handshake);
    const { remoteAddress, source } = handshake;
    const { mode, onRefused } = this.#options;
    if (socket.alpnProtocol !== "h2") {
      onRefused(remoteAddress, new PalyraError("protocol_mismatch", "The peer did not offer HTTP/2 (ALPN h2)."));
      socket.destroy();
      return;
    }
    let peer: PeerCertificate | undefined;
    if (mode.kind === "mutual") {
      const verified = verifiedPeer(socket);
      if (verified instanceof PalyraError) {
        onRefused(remoteAddress, verified);
        socket.destroy();
        return;
      }
      const refusal = refusalOf(mode.authorize, verified);
      if (refusal !== undefined) {
        onRefused(remoteAddress, refusal);
        this.#refusals.answer(socket, refusal);
        return;
      }
      peer = verified;
    }
    if (!this.#admitted.take(source.key)) {
      onRefused(
        remoteAddress,
        new PalyraError(
          "connection_limit",
          "There are as many connections as there may be, here or from the peer's address. Try again later.",
        ),
      );
      socket.destroy();
      return;
    }
    handshake.admitted = true;
    if (peer !== undefined) this.#remember(socket, { remoteAddress, fingerprint: peer.fingerprint });
    socket.setNoDelay(true);
    this.#injector.injectConnection(socket);
  }

  #remember(socket: tls.TLSSocket, connection: Connection): void {
    rememberCertificate(socket);
    this.#connections.set(socket, connection);
    socket.once("close", () => this.#connections.delete(socket));
  }
}

/** The peer, if TLS verified its certificate in this very handshake. */
function verifiedPeer(socket: tls.TLSSocket): PeerCertificate | PalyraError {
  if (socket.isSessionReused()) {
    return new PalyraError(
      "certificate_untrusted",
      "The peer resumed a TLS session, in which no certificate is verified. It must connect with a full handshake.",
    );
  }
  const der: Uint8Array | undefined = socket.getPeerCertificate()?.raw;
  if (der === undefined || der.length === 0) {
    return new PalyraError("certificate_missing", "The peer showed no client certificate. It must be paired first.");
  }
  if (!socket.authorized) {
    return new PalyraError("certificate_untrusted", "The peer's certificate was not issued by this daemon's CA.");
  }
  return { fingerprint: fingerprintOf(der), der };
}

/**
 * Lets the socket answer with the certificate of its handshake again. grpc-js asks it at every call, and parsing the
 * certificate anew costs more than the rest of the look-up; it cannot change, as TLS 1.3 does not renegotiate.
 */
function rememberCertificate(socket: tls.TLSSocket): void {
  const certificate = socket.getPeerCertificate();
  socket.getPeerCertificate = () => certificate as tls.DetailedPeerCertificate;
}

/** What `authorize` says; a failure of its own refuses too. */
function refusalOf(authorize: Authorize, peer: PeerCertificate): PalyraError | undefined {
  try {
    return authorize(peer);
  } catch (error) {
    return PalyraError.from(error);
  }
}

function contextOptions({ mode, tls: material }: TlsFrontOptions): tls.SecureContextOptions {
  return {
    cert: material.certificatePem,
    key: material.keyPem,
    minVersion: "TLSv1.3",
    ...(mode.kind === "mutual" ? { ca: [...material.clientCaPem] } : {}),
  };
}
