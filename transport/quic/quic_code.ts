import type { ReasonCode } from "../../identity/reason_code.ts";

/** Transport error codes of RFC 9000, section 20.1, that this endpoint sends or tells apart. */
export const TRANSPORT_CODE = {
  noError: 0x00,
  connectionRefused: 0x02,
} as const;

/** First of the transport error codes that carry a TLS alert (RFC 9001, section 4.8). */
export const TLS_ALERT_BASE = 0x100;

/** TLS alerts (RFC 8446, section 6) that this endpoint sends or tells apart. */
export const TLS_ALERT = {
  badCertificate: 42,
  unsupportedCertificate: 43,
  certificateRevoked: 44,
  certificateExpired: 45,
  certificateUnknown: 46,
  unknownCa: 48,
  accessDenied: 49,
  certificateRequired: 116,
  noApplicationProtocol: 120,
} as const;

/** Application error codes of `palyra-quic-v1`, of connections and of streams. */
export const APPLICATION_CODE = {
  /** All is said. */
  done: 0x00,
  /** The session was given up; its end says nothing to the other side. */
  aborted: 0x01,
  /** A {@linkcode ReasonCode}, named by the close reason, ends the connection. */
  refused: 0x02,
  idle: 0x03,
  tooManyConnections: 0x04,
  /** A stream of a kind that nothing is served on. */
  streamNotServed: 0x10,
  /** The request did not arrive whole in time. */
  requestTimeout: 0x11,
  /** Something on the stream that the protocol does not have. */
  protocolError: 0x13,
} as const;

/** The TLS alert with which a peer that is known and not let in is turned away. */
export function alertFor(code: ReasonCode): number {
  switch (code) {
    case "certificate_revoked":
    case "device_revoked":
      return TLS_ALERT.certificateRevoked;
    case "certificate_expired":
      return TLS_ALERT.certificateExpired;
    case "device_unknown":
      return TLS_ALERT.certificateUnknown;
    default:
      return TLS_ALERT.accessDenied;
  }
}
