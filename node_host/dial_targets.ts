import { type Endpoint, parseEndpoint } from "../identity/endpoint.ts";
import { PalyraError } from "../identity/palyra_error.ts";
import type { QuicAvailability } from "../transport/quic/quiche_addon.ts";
import type { SessionDialer } from "../transport/session.ts";
import { AutoDialer } from "./auto_dialer.ts";
import { FixedDialer } from "./fixed_dialer.ts";
import type { NodeDialer } from "./node_dialer.ts";
import { quicUnavailable, requested, type TransportWish } from "./transport_choice.ts";

/** One way to the daemon. */
export interface DialTarget {
  /** `host:port`, for people. */
  readonly endpoint: string;
  readonly dialer: NodeDialer;
}

/** Makes the dialer of one transport for an endpoint. */
export type MakeSessionDialer = (endpoint: Endpoint) => SessionDialer;

/** What this machine has to dial with. */
export interface Dialling {
  readonly grpc: MakeSessionDialer;
  readonly quic: MakeSessionDialer;
  /** Asked only when QUIC is wanted: the first call loads a native library. */
  readonly quicAvailability: () => QuicAvailability;
}

/**
 * A target for each endpoint, in their order, that dials as wished for. Throws `unsupported` when QUIC alone is wanted and
 * this machine cannot speak it.
 */
export function dialTargets(endpoints: readonly string[], wish: TransportWish, dialling: Dialling): DialTarget[] {
  const makeDialer = dialerMaker(wish, dialling);
  return endpoints.map((endpoint) => ({ endpoint, dialer: makeDialer(parseEndpoint(endpoint)) }));
}

function dialerMaker(wish: TransportWish, { grpc, quic, quicAvailability }: Dialling): (at: Endpoint) => NodeDialer {
  if (wish.preference === "grpc") return (endpoint) => new FixedDialer(grpc(endpoint), requested("grpc", wish));
  const availability = quicAvailability();
  if (wish.preference === "quic") {
    if (!availability.available) throw noQuic(availability.reason, wish);
    return (endpoint) => new FixedDialer(quic(endpoint), requested("quic", wish));
  }
  if (!availability.available) {
    return (endpoint) => new FixedDialer(grpc(endpoint), quicUnavailable(availability.reason));
  }
  return (endpoint) => new AutoDialer({ quic: quic(endpoint), grpc: grpc(endpoint) });
}

function noQuic(reason: string, { askedBy }: TransportWish): PalyraError {
  return new PalyraError(
    "unsupported",
    `QUIC alone was asked for by ${askedBy}, and this machine cannot speak it. ${reason} ` +
      "Use the transport `auto` or `grpc`; gRPC needs nothing of the kind.",
  );
}
