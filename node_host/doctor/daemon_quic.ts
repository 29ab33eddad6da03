import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { Endpoint } from "../../identity/endpoint.ts";
import { PalyraError } from "../../identity/palyra_error.ts";
import type { ReasonCode } from "../../identity/reason_code.ts";
import { type Finding, findingOf, ok, skipped, skippedFor } from "../../transport/program/doctor/finding.ts";
import { NETWORK_LIMIT_MS, TimeLimit } from "../../transport/program/doctor/time_limit.ts";
import { QuicClient } from "../../transport/quic/quic_client.ts";
import type { QuicAvailability } from "../../transport/quic/quiche_addon.ts";
import type { NodeCredentials } from "../node_credentials.ts";
import type { TransportPreference } from "../transport_choice.ts";

/** Addresses of one name that are tried, as a session's dialler does. */
const MAX_ADDRESSES = 4;

/** What shows that nothing came back, whatever was sent. */
const SILENCE: readonly ReasonCode[] = ["daemon_unreachable", "deadline_exceeded", "cancelled"];

/** What {@linkcode examineQuic} goes by. */
export interface QuicExamination {
  readonly endpoint: Endpoint;
  readonly credentials: NodeCredentials;
  readonly preference: TransportPreference;
  readonly availability: () => QuicAvailability;
  /** Whether TCP gets through to the same address. */
  readonly tcpAnswers: Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Whether QUIC gets through to the daemon: a handshake and nothing more, so that a session that stands is not disturbed. */
export async function examineQuic(examination: QuicExamination): Promise<Finding> {
  const { endpoint, credentials, preference, availability, tcpAnswers, signal } = examination;
  if (preference === "grpc") {
    return skipped("The setting `transport` has gRPC alone.", 'Set `transport = "auto"` to use QUIC.');
  }
  if (!availability().available) return skippedFor("quic_library");
  if (!await tcpAnswers && preference !== "quic") return skippedFor("daemon_address");
  const failure = await shakeHands(endpoint, credentials, signal);
  if (failure === undefined) return ok("UDP gets through, and the daemon answers by QUIC.");
  if (!SILENCE.includes(failure.code)) {
    // It answered, which is what was asked here; the certificates are for other checks to judge.
    return failure.code === "daemon_untrusted"
      ? skippedFor("daemon_identity")
      : ok("UDP gets through: what answers by QUIC has refused the connection, as other checks say.");
  }
  if (!await tcpAnswers) return skippedFor("daemon_address");
  const meanwhile = preference === "auto" ? "; gRPC is used meanwhile" : "";
  const silent = new PalyraError(
    "daemon_unreachable",
    `UDP gets no answer, where TCP does: it is blocked on the way, or the daemon serves no QUIC${meanwhile}. ` +
      `Let UDP through to port ${endpoint.port}, see with \`palyrad doctor\` there that QUIC is served, or set ` +
      '`transport = "grpc"`.',
    { cause: failure },
  );
  return findingOf(preference === "quic" ? "failed" : "warning", silent);
}

/** Resolves with the failure of the first address when none answers. */
async function shakeHands(
  { host, port }: Endpoint,
  credentials: NodeCredentials,
  signal: AbortSignal,
): Promise<PalyraError | undefined> {
  using limit = new TimeLimit(NETWORK_LIMIT_MS, signal);
  const found = new AbortController();
  const stop = AbortSignal.any([limit.signal, found.signal]);
  const addresses = isIP(host) !== 0 ? [host] : await addressesOf(host);
  const ends = await Promise.all(addresses.map(async (address) => {
    try {
      const material = credentials.tlsMaterial();
      const client = await QuicClient.connect({ address: { host: address, port }, material }, stop);
      found.abort();
      await client.close();
      return undefined;
    } catch (thrown) {
      return PalyraError.from(thrown);
    }
  }));
  if (ends.length === 0) return new PalyraError("daemon_unreachable", "The daemon's host name has no address.");
  return ends.includes(undefined) ? undefined : ends[0];
}

async function addressesOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).slice(0, MAX_ADDRESSES).map(({ address }) => address);
  } catch {
    return [];
  }
}
