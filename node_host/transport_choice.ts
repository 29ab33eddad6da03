import type { PalyraError } from "../identity/palyra_error.ts";
import type { TransportName } from "../transport/session.ts";

/** What the setting `transport` takes. `auto` is QUIC where UDP gets through, and gRPC where it does not. */
export const TRANSPORT_PREFERENCES = ["auto", "quic", "grpc"] as const;

/** Which transport the owner of this machine wants. */
export type TransportPreference = typeof TRANSPORT_PREFERENCES[number];

/** A preference, and where it was set. */
export interface TransportWish {
  readonly preference: TransportPreference;
  /** The flag, the variable or the file; empty for the default. */
  readonly askedBy: string;
}

/** What applies where nothing is set. */
export const DEFAULT_TRANSPORT_WISH: TransportWish = { preference: "auto", askedBy: "" };

/** The stable words for why a session runs over its transport; they never change meaning. */
export const TRANSPORT_REASONS = [
  "preferred",
  "requested",
  "quic_unavailable",
  "quic_slow",
  "quic_failed",
  "quic_lost",
  "quic_healed",
] as const;

/** Why a session runs over its transport. */
export type TransportReason = typeof TRANSPORT_REASONS[number];

/** Over what a session runs, and why. */
export interface TransportChoice {
  readonly transport: TransportName;
  readonly reason: TransportReason;
  /** The reason for people, to stand in brackets behind the transport: no capital letter of its own, no full stop. */
  readonly explanation: string;
}

/** QUIC, because it is the better one and it works. */
export const QUIC_PREFERRED: TransportChoice = { transport: "quic", reason: "preferred", explanation: "preferred" };

/** QUIC, after a time in which it did not work. */
export const QUIC_HEALED: TransportChoice = {
  transport: "quic",
  reason: "quic_healed",
  explanation: "UDP answers again",
};

/** gRPC, because the session over QUIC fell silent or broke. */
export const QUIC_LOST: TransportChoice = {
  transport: "grpc",
  reason: "quic_lost",
  explanation: "the session over QUIC was lost; UDP may be blocked",
};

/** gRPC, because QUIC had no session within its head start. */
export function quicSlow(headStartMs: number): TransportChoice {
  return {
    transport: "grpc",
    reason: "quic_slow",
    explanation: `QUIC did not answer within ${headStartMs / 1000} s; UDP may be blocked`,
  };
}

/** gRPC, because dialling over QUIC has failed. */
export function quicFailed(failure: PalyraError): TransportChoice {
  return { transport: "grpc", reason: "quic_failed", explanation: `QUIC failed: ${withoutStop(failure.message)}` };
}

/** gRPC, because this machine cannot speak QUIC. `why` is a sentence. */
export function quicUnavailable(why: string): TransportChoice {
  return { transport: "grpc", reason: "quic_unavailable", explanation: withoutStop(why) };
}

/** The one transport that was asked for. */
export function requested(transport: TransportName, { askedBy }: TransportWish): TransportChoice {
  return { transport, reason: "requested", explanation: `asked for by ${askedBy}` };
}

/** A choice in words: `grpc (asked for by --transport)`. */
export function choiceText({ transport, explanation }: TransportChoice): string {
  return `${transport} (${explanation})`;
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}
