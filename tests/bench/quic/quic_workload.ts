/** What is measured of an implementation. */
export type QuicWorkload =
  /** Connections made one after the other by each of `inFlight`, with one request answered on each. */
  | { readonly kind: "handshake"; readonly inFlight: number }
  /** Requests, each on a stream of its own. */
  | { readonly kind: "new_stream"; readonly inFlight: number }
  /** Requests on one stream. */
  | { readonly kind: "long_stream"; readonly inFlight: number }
  /** Uploads of {@linkcode UPLOAD_BYTES} each, one after the other. */
  | { readonly kind: "upload"; readonly inFlight: 1 };

/** What one upload carries. */
export const UPLOAD_BYTES = 4 * 1024 * 1024;

/** A measurement that the client process is asked for. */
export interface QuicOrder {
  readonly workload: QuicWorkload;
  readonly durationMs: number;
}

/** What the client process says of it. */
export interface QuicReport {
  /** Handshakes, requests or uploads that were completed. */
  readonly count: number;
  readonly elapsedMs: number;
}
