import { PalyraError } from "../../identity/palyra_error.ts";
import { isReasonCode, type ReasonCode } from "../../identity/reason_code.ts";
import { peerMessage } from "../peer_message.ts";
import type { SessionEnd } from "../session.ts";
import type { QuicClose } from "./quic_close.ts";
import { APPLICATION_CODE, TLS_ALERT, TLS_ALERT_BASE } from "./quic_code.ts";

/** What a client is told of each reason that a daemon gives for closing a connection. */
const SENTENCES: Readonly<Partial<Record<ReasonCode, string>>> = {
  certificate_missing:
    "The daemon asks for a client certificate and none was shown. Pair this machine: `palyra-node pair`.",
  certificate_untrusted:
    "The daemon does not accept this machine's certificate: it is of another daemon, or not valid " +
    "now. Check `palyra-node status` and this machine's clock, and pair again if needed.",
  certificate_expired:
    "The daemon says that this machine's certificate has expired. Check this machine's clock; if it " +
    "is right, pair again: `palyra-node pair --force`.",
  certificate_revoked: "This machine's certificate was revoked at the daemon. Ask its operator, or pair again.",
  device_revoked: "This device was revoked at the daemon. Ask its operator, or pair again.",
  device_unknown: "The daemon does not know this device. Pair it again: `palyra-node pair --force`.",
  protocol_mismatch: "What answers speaks another protocol on QUIC. Use matching versions of palyrad and palyra-node.",
  connection_limit: "The daemon has as many connections as it takes. Try again later, or raise its limit.",
  rate_limited: "Too many connections were begun from this address. Try again in a moment.",
  handshake_timeout: "The handshake with the daemon took too long. Check the network and try again.",
  idle_timeout: "Nothing came over the connection for too long.",
  shutting_down: "The daemon is stopping; come back in a moment.",
  message_too_large: "More came before the handshake was complete than one takes.",
};

/** TLS alerts that say what is wrong with a client's certificate. */
const CLIENT_ALERTS: Readonly<Record<number, ReasonCode>> = {
  [TLS_ALERT.certificateRequired]: "certificate_missing",
  [TLS_ALERT.badCertificate]: "certificate_untrusted",
  [TLS_ALERT.unsupportedCertificate]: "certificate_untrusted",
  [TLS_ALERT.certificateUnknown]: "certificate_untrusted",
  [TLS_ALERT.unknownCa]: "certificate_untrusted",
  [TLS_ALERT.certificateRevoked]: "certificate_revoked",
  [TLS_ALERT.certificateExpired]: "certificate_expired",
  [TLS_ALERT.noApplicationProtocol]: "protocol_mismatch",
};

/**
 * What a daemon can say before the handshake has shown that it is the daemon. Anybody on the way can say it in its place,
 * so nothing is believed that would keep this machine from trying again.
 */
const SAID_BY_ANYBODY: readonly ReasonCode[] = [
  "connection_limit",
  "rate_limited",
  "shutting_down",
  "protocol_mismatch",
];

/**
 * Why a client's connection could not be made, or was closed: what a dialer rejects with.
 *
 * @param established Whether the handshake was complete on the client's side: before, the peer may be anybody.
 */
export function dialFailure(close: QuicClose, established: boolean): PalyraError {
  if (close.by === "local" && isTlsAlert(close)) return untrustedDaemon(close);
  const said = close.by === "network" ? undefined : reasonOf(close);
  const believed = said !== undefined && (established || close.by === "local" || SAID_BY_ANYBODY.includes(said));
  const reason = believed ? said : undefined;
  const message = reason === undefined ? UNREACHABLE : SENTENCES[reason] ?? REFUSED;
  return new PalyraError(reason ?? "daemon_unreachable", message, { cause: describeClose(close) });
}

/**
 * How a session ended whose connection ended with `close`, on one side of it. A node believes the reasons of its daemon; a
 * daemon does not have a node say what the daemon has done.
 */
export function sessionEnd(close: QuicClose, side: "client" | "server"): SessionEnd {
  const reason = reasonOf(close);
  const believed = close.by === "local" || close.by === "peer" && side === "client";
  if (close.by !== "network" && believed && reason !== undefined) {
    return { by: close.by, code: reason, message: SENTENCES[reason] ?? LOST, cause: describeClose(close) };
  }
  return { by: "network", code: "connection_lost", message: LOST, cause: describeClose(close) };
}

/** Why a server did not let a connection in; for its log. */
export function refusedHandshake(close: QuicClose): PalyraError {
  const cause = describeClose(close);
  // A stranger's words say nothing; its TLS alert does.
  const reason = reasonOf(close.by === "local" ? close : { ...close, reason: "" });
  switch (reason) {
    case "certificate_missing":
      return new PalyraError(reason, "The peer showed no client certificate. It must be paired first.", { cause });
    case "certificate_untrusted":
    case "certificate_expired":
      return new PalyraError(
        reason,
        close.by === "peer"
          ? "The peer does not trust the daemon's certificate. It may be paired with another daemon, or its clock is off."
          : "The peer's certificate is not a valid client certificate of this daemon's CA. Check its clock, and pair it " +
            "again if needed.",
        { cause },
      );
    case "protocol_mismatch":
      return new PalyraError(reason, "The peer speaks no protocol of this daemon on QUIC.", { cause });
    case "handshake_timeout":
      return new PalyraError(reason, "The handshake was not complete in time.", { cause });
    case "message_too_large":
      return new PalyraError(reason, "The peer sent more than a handshake needs before it was complete.", { cause });
    case "rate_limited":
      return new PalyraError(reason, "Too many handshakes were unfinished, and this one gave way to another.", {
        cause,
      });
    default:
      return new PalyraError("connection_lost", "The peer broke off the handshake.", { cause });
  }
}

/** The close in words, for the log: numbers as the standards write them, and the peer's words made harmless. */
export function describeClose({ by, application, code, reason }: QuicClose): string {
  const kind = application ? "application" : isAlertCode(code) ? "TLS alert" : "transport";
  const number = !application && isAlertCode(code) ? code - TLS_ALERT_BASE : `0x${code.toString(16)}`;
  return `QUIC connection closed by ${by}: ${kind} ${number}${reason === "" ? "" : ` (${peerMessage(reason)})`}`;
}

const UNREACHABLE = "The daemon does not answer over QUIC. Check that it runs and that the network lets UDP through.";
const REFUSED = "The daemon refused the connection. Its log says why.";
const LOST = "The connection was lost.";

function reasonOf(close: QuicClose): ReasonCode | undefined {
  if (isReasonCode(close.reason)) return close.reason;
  if (close.application) return close.code === APPLICATION_CODE.idle ? "idle_timeout" : undefined;
  return isAlertCode(close.code) ? CLIENT_ALERTS[close.code - TLS_ALERT_BASE] : undefined;
}

function isTlsAlert({ application, code }: QuicClose): boolean {
  return !application && isAlertCode(code);
}

function isAlertCode(code: number): boolean {
  return code >= TLS_ALERT_BASE && code < TLS_ALERT_BASE + 0x100;
}

function untrustedDaemon(close: QuicClose): PalyraError {
  const expired = close.code === TLS_ALERT_BASE + TLS_ALERT.certificateExpired;
  return new PalyraError(
    "daemon_untrusted",
    expired
      ? "The daemon's certificate is not valid at this time. Check the clocks of both machines; if they are right, " +
        "restart the daemon so that it renews its certificate."
      : "What answers at this address is not the daemon this machine was paired with: its certificate was not issued by " +
        "the pinned CA. Check the address; if the daemon was set up anew, pair again.",
    { cause: describeClose(close) },
  );
}
