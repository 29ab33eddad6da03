import { HANDSHAKE_TIMEOUT_MS } from "../transport_limits.ts";

/** How many handshakes one source may begin: bursts of `burst`, refilled at `perSecond`. */
export interface HandshakeRate {
  readonly burst: number;
  readonly perSecond: number;
}

/** What the peers of one QUIC endpoint may take of it (design section 4). Each limit refuses with its own code. */
export interface QuicTransportLimits {
  /** Connections at once that were let in. Those in their handshake are counted apart. */
  readonly maxConnections: number;
  /** The same with one certificate. */
  readonly maxConnectionsPerPeer: number;
  /** Counted for each source: an IPv4 address, an IPv6 /64, or this machine itself as a whole. */
  readonly handshakeRate: HandshakeRate;
  /** How long a handshake may take, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  /** What may come of a handshake before it is complete, in bytes of datagrams. */
  readonly maxHandshakeBytes: number;
  /** Silence, or a connection without a stream, for longer than this ends it, in milliseconds. */
  readonly idleTimeoutMs: number;
  /** How often a client says something when it has nothing to say, in milliseconds. */
  readonly keepAliveMs: number;
  /** How long a peer may take to prove that it receives at an address that it has changed to, in milliseconds. */
  readonly addressProofMs: number;
  /** How soon after an address change another one can be proven, in milliseconds: connection ids are issued for each. */
  readonly connectionIdPauseMs: number;
  /** Streams that a peer may have open at once, both ways. */
  readonly maxBidirectionalStreams: number;
  /** Streams that a peer may have open at once, one way. */
  readonly maxUnidirectionalStreams: number;
  /** Length of a frame's payload, in bytes. */
  readonly maxFrameBytes: number;
  /** How long the request on a new stream may take to arrive whole, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/** What applies where nothing else is configured. */
export const DEFAULT_QUIC_LIMITS: QuicTransportLimits = {
  maxConnections: 256,
  maxConnectionsPerPeer: 8,
  handshakeRate: { burst: 256, perSecond: 64 },
  handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
  maxHandshakeBytes: 64 * 1024,
  idleTimeoutMs: 30_000,
  keepAliveMs: 5_000,
  addressProofMs: 3_000,
  connectionIdPauseMs: 500,
  maxBidirectionalStreams: 32,
  maxUnidirectionalStreams: 32,
  maxFrameBytes: 512 * 1024,
  requestTimeoutMs: 10_000,
};

/**
 * The defaults with `changes`.
 *
 * Throws a RangeError for what is not a whole number from 1 to 2^31 - 1: the native library ends the process when it is
 * given a negative number.
 */
export function quicLimits(changes: Partial<QuicTransportLimits> = {}): QuicTransportLimits {
  const limits = { ...DEFAULT_QUIC_LIMITS, ...changes };
  const { handshakeRate, ...numbers } = limits;
  for (const [name, value] of Object.entries({ ...numbers, ...handshakeRate })) {
    if (!Number.isInteger(value) || value < 1 || value > 0x7fff_ffff) {
      throw new RangeError(`the QUIC limit ${name} must be a whole number from 1 to ${0x7fff_ffff}, not ${value}`);
    }
  }
  return limits;
}
