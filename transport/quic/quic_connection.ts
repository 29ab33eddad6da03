import { getLogger } from "@logtape/logtape";
import { PalyraError } from "../../identity/palyra_error.ts";
import { fingerprintOf } from "../../identity/fingerprint.ts";
import { formatRemoteAddress } from "../remote_address.ts";
import type { PeerCertificate } from "../session.ts";
import { IssuedIds } from "./issued_ids.ts";
import { PeerPath } from "./peer_path.ts";
import { PeerStreamIds } from "./peer_stream_ids.ts";
import { nativeClose, type QuicClose } from "./quic_close.ts";
import { APPLICATION_CODE, TRANSPORT_CODE } from "./quic_code.ts";
import type { QuicTransportLimits } from "./quic_transport_limits.ts";
import { QuicStream, type StreamHost } from "./quic_stream.ts";
import type { Host, NativeConnection } from "./quiche_addon.ts";
import { StreamlessWatch } from "./streamless_watch.ts";

const logger = getLogger(["palyra", "transport", "quic"]);

/** Up to so many streams it is cheaper to ask each than to have the native library list them. */
const FEW_STREAMS = 16;

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
  /** Has datagrams to this id come to the connection, beside those to its first id. */
  route(id: string, connection: QuicConnection): void;
  /** Has what still comes to this id, whichever of the connection's it is, dropped in silence. */
  retire(id: string, connection: QuicConnection): void;
  /** Nothing more can come of or for the connection. */
  released(connection: QuicConnection): void;
}

/** What a connection is made of. */
export interface QuicConnectionOptions {
  readonly native: NativeConnection;
  readonly side: "client" | "server";
  /** The connection id that this side has chosen. */
  readonly id: string;
  /** Where the peer is in the handshake, written as the socket writes it. */
  readonly remote: Host;
  /** The stateless reset token of a further connection id of a server. Undefined at a client, which issues none. */
  readonly resetTokenOf: ((id: Uint8Array) => bigint) | undefined;
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
  readonly #path: PeerPath;
  readonly #streamless: StreamlessWatch;
  #nextBidirectional: number;
  #established = false;
  #close: QuicClose | undefined;
  #scheduled = false;
  #received = false;
  #dropped = false;
  #handshakeBytes = 0;
  #peer: PeerCertificate | undefined;
  #transportTimer: ReturnType<typeof setTimeout> | undefined;
  #transportTimerDue = Infinity;
  #keepAliveTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: QuicConnectionOptions) {
    this.native = options.native;
    this.whenClosed = this.#ended.promise;
    this.side = options.side;
    this.id = options.id;
    this.#host = options.host;
    this.#limits = options.limits;
    this.#events = options.events;
    this.#path = this.#pathTo(options);
    this.#nextBidirectional = options.side === "client" ? 0 : 1;
    const { handshakeTimeoutMs, idleTimeoutMs } = this.#limits;
    this.#streamless = new StreamlessWatch(idleTimeoutMs, () => this.#streams.size > 0, () => {
      this.close({ application: true, code: APPLICATION_CODE.idle, reason: "idle_timeout" });
    });
    this.#handshakeTimer = setTimeout(() => {
      this.#giveUpHandshake("handshake_timeout");
    }, handshakeTimeoutMs);
  }

  /** `address:port` of the other end, which may change during the life of the connection: the last that was proven. */
  get remoteAddress(): string {
    const { host, port } = this.#path.proven;
    return formatRemoteAddress(host, port);
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
    if (!this.#path.admits(from)) return;
    if (!this.#established) {
      this.#handshakeBytes += datagram.length;
      if (this.#handshakeBytes > this.#limits.maxHandshakeBytes) return this.#giveUpHandshake("message_too_large");
    }
    try {
      this.#path.receive(datagram, from);
    } catch {
      // It closes itself when that was an offence; otherwise the datagram is none of its own.
    }
    this.#received = true;
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
    if (this.side === "server" && this.#close === undefined) this.#streamless.begin();
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
      this.#streamless.begin();
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
      const length = this.#makeDatagram(buffer);
      if (length === 0) return this.#host.giveBack(buffer);
      this.#path.sent(length);
      this.#host.send(buffer, length, this.#path.present);
    }
  }

  /** Writes what is to be sent next; returns its length, and 0 when there is nothing that may be sent now. */
  #makeDatagram(buffer: Uint8Array): number {
    const room = Math.min(buffer.length, this.#path.allowance);
    if (room === 0) return 0;
    try {
      return this.native.send(room < buffer.length ? buffer.subarray(0, room) : buffer)?.[0] ?? 0;
    } catch (error) {
      if (this.#close !== undefined) return 0;
      logger.warn("A QUIC packet could not be made: {error}", { error, remoteAddress: this.remoteAddress });
      // It can still say that it is over.
      this.close({ application: true, code: APPLICATION_CODE.aborted, reason: "a packet could not be made" });
      return 0;
    }
  }

  #noticeClose(): void {
    if (this.#close !== undefined) return;
    const close = nativeClose(this.native);
    if (close !== undefined) this.#settle(close);
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

  #pathTo({ native, remote, host, limits, resetTokenOf }: QuicConnectionOptions): PeerPath {
    const schedule = () => this.schedule();
    const ids = resetTokenOf && new IssuedIds({
      native,
      resetTokenOf,
      route: (id) => host.route(id, this),
      retire: (id) => host.retire(id, this),
      schedule,
    }, limits.connectionIdPauseMs);
    return new PeerPath({
      native,
      remote,
      local: host.local,
      ids,
      proofMs: limits.addressProofMs,
      onChange: schedule,
    });
  }

  #giveUpHandshake(reason: "handshake_timeout" | "message_too_large"): void {
    this.close({ application: false, code: TRANSPORT_CODE.connectionRefused, reason });
  }

  #closing(): boolean {
    return this.#close !== undefined;
  }

  #settle(close: QuicClose): void {
    if (this.#close !== undefined) return;
    this.#close = close;
    clearTimeout(this.#handshakeTimer);
    clearInterval(this.#keepAliveTimer);
    this.#streamless.stop();
    this.#path.close();
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
