/** What every QUIC implementation in the benchmark is given. */
export interface QuicMaterial {
  readonly caPem: string;
  readonly serverChainPem: string;
  readonly serverKeyPem: string;
  readonly clientCertificatePem: string;
  readonly clientKeyPem: string;
}

/** Name in the server's certificate. */
export const SERVER_NAME = "palyrad";
export const ALPN = "palyra-bench";
/** What each side lets the other have open at once: more than the benchmark ever has in flight. */
export const MAX_STREAMS = 1_024;
/** What each side takes unread, in bytes, where that can be set: as much as this project's endpoint does. */
export const STREAM_WINDOW: number = 1024 * 1024;
export const CONNECTION_WINDOW: number = 4 * 1024 * 1024;
export const IDLE_MS = 30_000;

/** A bidirectional stream, as plainly as each implementation has it. */
export interface QuicBenchStream {
  /** What has come; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when the implementation takes more; `last` ends this direction with these bytes. */
  write(bytes: Uint8Array, last: boolean): Promise<void>;
}

/** A client's connection. */
export interface QuicBenchConnection {
  openStream(): Promise<QuicBenchStream>;
  close(): Promise<void>;
}

/** One implementation of QUIC. */
export interface QuicPeer {
  /** Listens on a free port of 127.0.0.1, hands over each stream that a client opens, and returns the port. */
  listen(material: QuicMaterial, onStream: (stream: QuicBenchStream) => void): Promise<number>;
  /** Connects; resolves when the client's handshake is complete. */
  connect(material: QuicMaterial, port: number): Promise<QuicBenchConnection>;
}
