/** The largest message on a session or a call, in bytes, both directions. */
export const MAX_MESSAGE_BYTES: number = 4 * 1024 * 1024;

/** How long a TLS handshake may take, in milliseconds. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Silence longer than this ends a session, on either side, in milliseconds. */
export const KEEP_ALIVE_MS = 5_000;

/** A node says something at least this often, in milliseconds: two chances within {@linkcode KEEP_ALIVE_MS}. */
export const HEARTBEAT_INTERVAL_MS = 2_000;

/**
 * The daemon says something at least this often, in milliseconds, and not only in answer: a node that sends a long message
 * over a slow line cannot ask.
 */
export const DAEMON_HEARTBEAT_INTERVAL_MS = 1_000;

/** What may wait to be sent on one session before the peer counts as not reading, in bytes. */
export const MAX_SESSION_BACKLOG_BYTES: number = 16 * 1024 * 1024;

/** TCP connections from other machines that are in their TLS handshake at once, on one listener. */
export const MAX_UNFINISHED_HANDSHAKES = 256;

/** The same from one source: an IPv4 address or an IPv6 /64. */
export const MAX_UNFINISHED_HANDSHAKES_PER_SOURCE = 16;

/** The same from this machine itself, which are counted apart. One more takes the place of the oldest. */
export const MAX_UNFINISHED_LOCAL_HANDSHAKES = 256;

/** What the peers of one listener may take of it. */
export interface ListenerLimits {
  /** The largest message, in bytes, both directions. A length prefix that promises more ends the call at once. */
  readonly maxMessageBytes: number;
  /** Calls at once on one connection, sessions included. */
  readonly maxConcurrentStreams: number;
  /** Connections at once that were let in. Those in their handshake are counted apart. */
  readonly maxConnections: number;
  /** The same from one source: an IPv4 address, an IPv6 /64, or this machine itself as a whole. */
  readonly maxConnectionsPerAddress: number;
  /** A connection without a call on it is closed after this time, in milliseconds. */
  readonly idleConnectionMs: number;
  /**
   * A connection is dropped when a request on it has not arrived whole within this time, in milliseconds, or is more
   * than one message. Undefined on a listener with calls whose requests are streams.
   */
  readonly requestTimeoutMs: number | undefined;
}

/** Of the node RPC listener: every peer has shown the certificate of a device that was let in. */
export const NODE_RPC_LIMITS: ListenerLimits = {
  maxMessageBytes: MAX_MESSAGE_BYTES,
  maxConcurrentStreams: 256,
  maxConnections: 4_096,
  // Many devices may be behind one address; who they are is known.
  maxConnectionsPerAddress: 4_096,
  idleConnectionMs: 300_000,
  requestTimeoutMs: undefined,
};

/**
 * Of the enrolment listener: its peers are strangers, and all that pairing says fits into a few kilobytes. In
 * unfinished messages they can make the daemon hold maxConnections × maxConcurrentStreams × maxMessageBytes: 128 MiB
 * from 32 or more sources, 4 MiB from one.
 */
export const ENROLMENT_LIMITS: ListenerLimits = {
  maxMessageBytes: 64 * 1024,
  maxConcurrentStreams: 8,
  maxConnections: 256,
  maxConnectionsPerAddress: 8,
  idleConnectionMs: 60_000,
  requestTimeoutMs: 10_000,
};

/** How long an operator's unary call may take when its caller sets no deadline, in milliseconds. */
export const DEFAULT_CALL_DEADLINE_MS = 15_000;
