import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { formatRemoteAddress } from "../remote_address.ts";
import type { PeerCertificate } from "../session.ts";
import { PeerStreamIds } from "./peer_stream_ids.ts";
import { APPLICATION_CODE, TRANSPORT_CODE } from "./quic_code.ts";
import type { QuicTransportLimits } from "./quic_transport_limits.ts";
import { QuicStream, type StreamHost } from "./quic_stream.ts";
import type { Host, NativeConnection } from "./quiche_addon.ts";

const logger = getLogger(["palyra", "transport", "quic"]);

/** Up to so many streams it is cheaper to ask each than to have the native library list them. */
const FEW_STREAMS = 16;

/** How a connection ended. */
export interface QuicClose {
  /** `network`: it timed out, or was broken off before it could say why. */
  readonly by: "local" | "peer" | "network";
  /** Whether `code` is one of the application (`APPLICATION_CODE`) or of the transport and TLS. */
  readonly application: boolean;
  readonly code: number;
  /** The words that came with the code. From the peer: not to be trusted, at most one datagram long. */
  readonly reason: string;
}

/** What a connection tells its owner. */
export interface QuicConnectionEvents {
  /** The handshake is complete. May close the connection. */
  onEstablished(connection: QuicConnection): void;
  /** The peer has opened a stream; without an owner from then on it is not read. */
  onStream(stream: QuicStream, connection: QuicConnection): void;
  /** Once, as soon as it is known. */
  onClosed(close: QuicClose, connection: QuicConnection): void;
}

/** The endpoint, as a connection sees it. */
export interface ConnectionHost {
  readonly local: Host;
  /** Has {@linkcode QuicConnection.workOff} and then {@linkcode QuicConnection.flush} called soon. */
  schedule(connection: QuicConnection): void;
  takeBuffer(): Uint8Array;
  giveBack(buffer: Uint8Array): void;
  send(buffer: Uint8Array, length: number, to: Host): void;
  /** Nothing more can come of or for the connection. */
  released(connection: QuicConnection): void;
}

/** What a connection is made of. */
export interface QuicConnectionOptions {
  readonly native: NativeConnection;
  readonly side: "client" | "server";
  /** The connection id that this side has chosen. */
  readonly id: string;
  readonly remote: Host;
  readonly host: ConnectionHost;
  readonly limits: QuicTransportLimits;
  readonly events: QuicConnectionEvents;
}

/** One QUIC connection: drives the native one, and owns its streams and timers. */
export class QuicConnection implements StreamHost {
  readonly native: NativeConnection;
  readonly side: "client" | "server";
  readonly id: string;
  /** Resolves at the end of the connection; never rejects. */
  readonly whenClosed: Promise<QuicClose>;
  readonly #ended = Promise.withResolvers<QuicClose>();
  readonly #host: ConnectionHost;
  readonly #limits: QuicTransportLimits;
  readonly #events: QuicConnectionEvents;
  readonly #streams = new Map<number, QuicStream>();
  readonly #peerStreams = new PeerStreamIds();
  readonly #handshakeTimer: ReturnType<typeof setTimeout>;
  #remote: Host;
  #nextBidirectional: number;
  #established = false;
  #close: QuicClose | undefined;
  #scheduled = false;
  #received = false;
  #receivedAt = 0;
  #dropped = false;
  #handshakeBytes = 0;
  #peer: PeerCertificate | undefined;
  #transportTimer: ReturnType<typeof setTimeout> | undefined;
  #transportTimerDue = Infinity;
  #keepAliveTimer: ReturnType<typeof setInterval> | undefined;
  #streamlessTimer: ReturnType<typeof setTimeout> | undefined;
  #streamlessSince = 0;

  constructor(options: QuicConnectionOptions) {
    this.native = options.native;
    this.whenClosed = this.#ended.promise;
    this.side = options.side;
    this.id = options.id;
    this.#host = options.host;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#remote = options.remote;
    this.#nextBidirectional = options.side === "client" ? 0 : 1;
    const { handshakeTimeoutMs } = this.#limits;
    this.#handshakeTimer = setTimeout(() => {
      this.#giveUpHandshake("handshake_timeout");
    }, handshakeTimeoutMs);
  }

  /** `address:port` of the other end, which may change during the life of the connection. */
  get remoteAddress(): string {
    return formatRemoteAddress(this.#remote.host, this.#remote.port);
  }

  get isEstablished(): boolean {
    return this.#established;
  }

  /** How it ended; undefined while it has not. */
  get closed(): QuicClose | undefined {
    return this.#close;
  }

  /** The peer's certificate; undefined before the handshake is complete and for a peer that showed none. */
  get peer(): PeerCertificate | undefined {
    if (this.#peer === undefined && this.#established) {
      const der = this.native.peerCertChain()?.[0];
      if (der !== undefined) this.#peer = { fingerprint: fingerprintOf(der), der };
    }
    return this.#peer;
  }

  /** When a datagram of this connection last came, by `performance.now()`. */
  get receivedAt(): number {
    return this.#receivedAt;
  }

  /** Streams that are open. */
  get streamCount(): number {
    return this.#streams.size;
  }

  /** Opens a stream in both directions; throws `stream_limit` and `connection_lost`. */
  openStream(): QuicStream {
    if (this.#close !== undefined || !this.#established) {
      throw new PalyraError("connection_lost", "The connection is not open. Connect again.");
    }
    const id = this.#nextBidirectional;
    try {
      // Makes the native library count it, whatever is written when.
      this.native.streamSend(id, new Uint8Array(), false);
    } catch (cause) {
      throw new PalyraError(
        "stream_limit",
        "The other side allows no more streams at once on this connection. Wait until one is over.",
        { cause },
      );
    }
    this.#nextBidirectional += 4;
    const stream = new QuicStream(id, this, { sends: true, receives: true });
    this.#add(stream);
    return stream;
  }

  /** Takes a datagram that was addressed to this connection. What is wrong with it is the native library's matter. */
  receive(datagram: Uint8Array, from: Host): void {
    if (!this.#established) {
      this.#handshakeBytes += datagram.length;
      if (this.#handshakeBytes > this.#limits.maxHandshakeBytes) return this.#giveUpHandshake("message_too_large");
    }
    try {
      this.native.recv(datagram, { from, to: this.#host.local });
    } catch {
      // It closes itself when that was an offence; otherwise the datagram is none of its own.
    }
    this.#received = true;
    this.#receivedAt = performance.now();
    if (from.port !== this.#remote.port || from.host !== this.#remote.host) this.#followPeer();
    this.schedule();
  }

  schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#host.schedule(this);
  }

  /** Gives what has come to whom it concerns. Called by the endpoint. */
  workOff(): void {
    this.#guarded(() => {
      if (!this.#received) return;
      this.#received = false;
      this.#workOffReceived();
    });
  }

  /** Sends what is to be sent. Called by the endpoint. */
  flush(): void {
    this.#scheduled = false;
    this.workOff();
    this.#guarded(() => this.#flush());
  }

  #flush(): void {
    if (this.#dropped) return;
    if (this.#close === undefined) { for (const stream of this.#streams.values()) stream.flush(); }
    this.#send();
    this.#noticeClose();
    this.#armTransportTimer();
  }

  /** Ends it at once; the peer is told by the next datagram. The first call decides. */
  close({ application, code, reason }: Omit<QuicClose, "by">): void {
    if (this.#close !== undefined) return;
    try {
      this.native.close(application, code, new TextEncoder().encode(reason));
    } catch {
      // It is closing already.
    }
    this.#settle({ by: "local", application, code, reason });
    this.flush();
  }

  /** Drops it without a word and frees its timers. */
  drop(): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#settle({ by: "local", application: true, code: APPLICATION_CODE.done, reason: "" });
    clearTimeout(this.#transportTimer);
    this.#host.released(this);
  }

  released(stream: QuicStream): void {
    if (!this.#streams.delete(stream.id) || this.#streams.size > 0) return;
    this.#watchStreamless();
  }

  #workOffReceived(): void {
    if (this.#close !== undefined) return;
    if (!this.#established) {
      if (!this.native.isEstablished()) return;
      this.#establish();
      if (this.#closing()) return;
    }
    this.#readStreams();
    if (!this.#closing()) this.#noticeStopped();
  }

  #readStreams(): void {
    // The native library's lists of streams cost as much as receiving a packet: a few streams are asked one by one.
    if (this.#streams.size <= FEW_STREAMS) { for (const stream of [...this.#streams.values()]) stream.readable(); }
    if (this.#closing() || !this.native.isReadable()) return;
    for (const id of this.native.readable()) {
      (this.#streams.get(id) ?? this.#accept(id))?.readable();
      if (this.#closing()) return;
    }
  }

  /** Before anything is sent: then the native library forgets why the peer stopped. */
  #noticeStopped(): void {
    for (const stream of [...this.#streams.values()]) stream.checkStopped();
  }

  #establish(): void {
    this.#established = true;
    clearTimeout(this.#handshakeTimer);
    if (this.side === "client") {
      this.#keepAliveTimer = setInterval(() => {
        this.#guarded(() => this.native.sendAckEliciting());
        this.schedule();
      }, this.#limits.keepAliveMs);
    } else {
      this.#watchStreamless();
    }
    this.#events.onEstablished(this);
  }

  /** A stream that the peer has opened, at its first sign; undefined for one that is over here. */
  #accept(id: number): QuicStream | undefined {
    const isOwn = (id & 1) === (this.side === "client" ? 0 : 1);
    if (isOwn || !this.#peerStreams.isNew(id)) return undefined;
    const stream = new QuicStream(id, this, { sends: (id & 2) === 0, receives: true });
    this.#add(stream);
    this.#events.onStream(stream, this);
    return stream;
  }

  #add(stream: QuicStream): void {
    this.#streams.set(stream.id, stream);
  }

  #send(): void {
    for (;;) {
      const buffer = this.#host.takeBuffer();
      let sent: ReturnType<NativeConnection["send"]>;
      try {
        sent = this.native.send(buffer);
      } catch {
        sent = null;
        this.#settle({ by: "network", application: false, code: 0, reason: "the packet could not be made" });
      }
      if (sent === null) return this.#host.giveBack(buffer);
      const [length, { to }] = sent;
      this.#host.send(buffer, length, to);
    }
  }

  #noticeClose(): void {
    if (this.#close !== undefined) return;
    const peerError = this.native.peerError();
    if (peerError !== null) return this.#settle({ by: "peer", ...closeOf(peerError) });
    const localError = this.native.localError();
    if (localError !== null) return this.#settle({ by: "local", ...closeOf(localError) });
    if (this.native.isClosed()) {
      const reason = this.native.isTimedOut()
        ? "idle_timeout"
        : "the other side does not know this connection any more";
      this.#settle({ by: "network", application: false, code: TRANSPORT_CODE.noError, reason });
    }
  }

  #armTransportTimer(): void {
    if (this.native.isClosed()) {
      clearTimeout(this.#transportTimer);
      return this.#host.released(this);
    }
    const inMs = this.native.timeout();
    if (inMs === null) return;
    const due = performance.now() + inMs;
    // A timer that is early fires for nothing once and is armed anew: cheaper than a new one for each packet.
    if (this.#transportTimer !== undefined && due >= this.#transportTimerDue - 1) return;
    clearTimeout(this.#transportTimer);
    this.#transportTimerDue = due;
    this.#transportTimer = setTimeout(() => {
      this.#transportTimer = undefined;
      this.#transportTimerDue = Infinity;
      this.#guarded(() => this.native.onTimeout());
      this.flush();
    }, inMs + 1);
  }

  #giveUpHandshake(reason: "handshake_timeout" | "message_too_large"): void {
    this.close({ application: false, code: TRANSPORT_CODE.connectionRefused, reason });
  }

  /** The peer's address may have changed. The native library checks the new path; here it is only for people. */
  #followPeer(): void {
    for (let event = this.native.pathEventNext(); event; event = this.native.pathEventNext()) {
      if (event.type === "PeerMigrated") this.#remote = event.new;
    }
  }

  /** A connection that nothing is done on is closed, however lively it is. */
  #watchStreamless(): void {
    if (this.side === "client" || this.#close !== undefined) return;
    this.#streamlessSince = performance.now();
    if (this.#streamlessTimer === undefined) this.#armStreamless(this.#limits.idleTimeoutMs);
  }

  #armStreamless(inMs: number): void {
    this.#streamlessTimer = setTimeout(() => {
      this.#streamlessTimer = undefined;
      if (this.#streams.size > 0) return;
      const leftMs = this.#streamlessSince + this.#limits.idleTimeoutMs - performance.now();
      if (leftMs > 0) return this.#armStreamless(leftMs);
      this.close({ application: true, code: APPLICATION_CODE.idle, reason: "idle_timeout" });
    }, inMs);
  }

  #closing(): boolean {
    return this.#close !== undefined;
  }

  #settle(close: QuicClose): void {
    if (this.#close !== undefined) return;
    this.#close = close;
    clearTimeout(this.#handshakeTimer);
    clearInterval(this.#keepAliveTimer);
    clearTimeout(this.#streamlessTimer);
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#ended.resolve(close);
    try {
      for (const stream of streams) stream.connectionClosed();
    } catch (error) {
      logger.error("The owner of a QUIC stream failed at its end: {error}", { error });
    }
    try {
      this.#events.onClosed(close, this);
    } catch (error) {
      logger.error("The owner of a QUIC connection failed at its end: {error}", { error });
    }
  }

  /** A fault in the work of one connection ends that connection, and neither the process nor the others. */
  #guarded(work: () => void): void {
    if (this.#dropped) return;
    try {
      work();
    } catch (error) {
      logger.error("A QUIC connection failed and is dropped: {error}", { error, remoteAddress: this.remoteAddress });
      this.drop();
    }
  }
}

function closeOf(error: NonNullable<ReturnType<NativeConnection["peerError"]>>): Omit<QuicClose, "by"> {
  const { isApp: application, errorCode: code, reason } = error;
  return { application, code, reason: new TextDecoder().decode(new Uint8Array(reason)) };
}
