/** The largest message on a session or a call, in bytes, both directions. */
export const MAX_GRPC_MESSAGE_BYTES: number = 4 * 1024 * 1024;

/** How long a TLS handshake may take, in milliseconds. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** Silence longer than this ends a session, on either side, in milliseconds. */
export const KEEP_ALIVE_MS = 5_000;

/** A node says something at least this often, in milliseconds: two chances within {@linkcode KEEP_ALIVE_MS}. */
export const HEARTBEAT_INTERVAL_MS = 2_000;

/** What may wait to be sent on one session before the peer counts as not reading, in bytes. */
export const MAX_SESSION_BACKLOG_BYTES: number = 16 * 1024 * 1024;

/** Connections at once on one listener. */
export const MAX_CONNECTIONS_PER_LISTENER = 4_096;

/** Calls at once on one connection, sessions included. */
export const MAX_CONCURRENT_STREAMS_PER_CONNECTION = 256;

/** How long an operator's unary call may take when its caller sets no deadline, in milliseconds. */
export const DEFAULT_CALL_DEADLINE_MS = 15_000;
