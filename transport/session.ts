import type { Fingerprint } from "../identity/fingerprint.ts";
import type { PalyraError } from "../identity/palyra_error.ts";
import type { ReasonCode } from "../identity/reason_code.ts";
import type { NodeEventRequest, NodeEventResponse } from "../proto/gen/node.ts";

/** The transports a session can run over. */
export type TransportName = "grpc" | "quic";

/** Who is at the other end, by the certificate of the connection and nothing else. */
export interface PeerCertificate {
  /** SHA-256 of the leaf certificate's DER. */
  readonly fingerprint: Fingerprint;
  /** The leaf certificate's DER. */
  readonly der: Uint8Array;
}

/** How a session ended. */
export interface SessionEnd {
  /** `local`: this side closed it; `peer`: the other side said goodbye or closed; `network`: the connection broke. */
  readonly by: "local" | "peer" | "network";
  readonly code: ReasonCode;
  /** A sentence for people. */
  readonly message: string;
  /** For the log only. */
  readonly cause?: unknown;
}

/**
 * One connected stream of messages, seen from one side. Nothing in it tells which transport carries it.
 *
 * Messages arrive in order. Handlers are set right after the session was obtained, in the same turn of the event loop.
 */
export interface Session<Outgoing, Incoming> {
  readonly transport: TransportName;
  /** `address:port` of the other end. */
  readonly remoteAddress: string;
  readonly peer: PeerCertificate;
  /**
   * When anything last came, by `performance.now()`: also what is not a whole message yet. Undefined where the transport
   * does not tell.
   */
  readonly receivedAt: number | undefined;
  /** Receives each message. A handler that throws ends the session with `internal`. */
  onMessage: ((message: Incoming) => void) | undefined;
  /**
   * Queues a message; never blocks. A peer that does not read is cut: when more than the transport's bound is queued,
   * the session ends with `slow_peer`. After the end it does nothing.
   */
  send(message: Outgoing): void;
  /** Ends the session; queued messages are still flushed, for a moment. The first call decides. */
  close(code: ReasonCode, message: string): void;
  /** Ends the session at once and drops its connection, queued messages included. For revocation and dead peers. */
  abort(code: ReasonCode, message: string): void;
  /** Settles once, never rejects. */
  readonly closed: Promise<SessionEnd>;
}

/** The daemon's end of a node's session. */
export type DaemonSession = Session<NodeEventResponse, NodeEventRequest>;

/** The node's end of its session. */
export type NodeSession = Session<NodeEventRequest, NodeEventResponse>;

/** Opens sessions from the node to its daemon. */
export interface SessionDialer {
  readonly transport: TransportName;
  /**
   * Connects and authenticates. The session is open but not yet welcomed: the caller says Hello and waits.
   * Rejects with a {@linkcode PalyraError} that names the cause: `daemon_unreachable`, `daemon_untrusted`,
   * `certificate_expired`, …
   */
  dial(signal: AbortSignal): Promise<NodeSession>;
}

/** Why a peer is not let in; undefined lets it in. Asked for each connection and again for each call. */
export type Authorize = (peer: PeerCertificate) => PalyraError | undefined;
