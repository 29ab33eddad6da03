import type { ReasonCode } from "../identity/reason_code.ts";
import type { UnixMs } from "../identity/unix_ms.ts";
import { PROJECT_VERSION } from "../transport/program/version.ts";
import type { TransportName } from "../transport/session.ts";
import type { IgnoredReports } from "./ignored_reports.ts";
import type { Metric, MetricSample } from "./metrics_text.ts";
import type { RequestCounters } from "./request_counters.ts";

/** The daemon's listeners, as its status and its log name them. */
export type ListenerName = "node_rpc" | "enrolment" | "quic";

/** What a listener has let in and what not. */
export interface ListenerMetrics {
  readonly name: ListenerName;
  /** Connections that are open now. */
  readonly connections: number;
  /** Connections that were not let in since the start, by reason; on QUIC also requests on a connection. */
  readonly refusals: ReadonlyMap<ReasonCode, number>;
}

/** Datagrams of the QUIC listener since the start. */
export interface DatagramMetrics {
  readonly received: number;
  readonly sent: number;
  /** Not sent: the system refused them or too many were waiting. */
  readonly dropped: number;
}

/** What {@linkcode daemonMetrics} reads. Everything is in memory, so that a scrape waits for nothing and never fails. */
export interface DaemonMetricsSources {
  readonly startedAt: UnixMs;
  /** How many nodes have their Welcome over this transport. */
  readonly nodesConnected: (transport: TransportName) => number;
  /** Requests that have not ended: those that wait, and those that are with a node. */
  readonly requests: () => { readonly queued: number; readonly inFlight: number };
  readonly requestCounters: RequestCounters;
  readonly ignoredReports: Pick<IgnoredReports, "counts">;
  /** Pairing sessions that are open. */
  readonly pairingSessions: () => number;
  /** The listeners that are open. */
  readonly listeners: () => readonly ListenerMetrics[];
  /** Undefined when QUIC is off. */
  readonly datagrams: () => DatagramMetrics | undefined;
  /** Transactions that the store has committed since the start; works that shared one count as one. */
  readonly storeCommits: () => number;
}

const TRANSPORTS: readonly TransportName[] = ["grpc", "quic"];

/**
 * The daemon's metrics as they stand now (design section 7).
 *
 * What can be there is there from the start with zero, so that its absence tells something. No label holds a device id,
 * an address or a name that a peer chose.
 */
export function daemonMetrics(sources: DaemonMetricsSources): Metric[] {
  return [...processMetrics(sources), ...workMetrics(sources), ...connectionMetrics(sources)];
}

function processMetrics({ startedAt }: DaemonMetricsSources): Metric[] {
  const memory = Deno.memoryUsage();
  const build = { version: PROJECT_VERSION, deno_version: Deno.version.deno };
  return [
    gauge("palyrad_build_info", "The running version; always 1.", [{ labels: build, value: 1 }]),
    gauge("palyrad_start_time_seconds", "When the daemon started, as Unix time.", single(startedAt / 1_000)),
    gauge(
      "palyrad_uptime_seconds",
      "Age of the process by a clock that nobody can set.",
      single(performance.now() / 1_000),
    ),
    gauge("palyrad_resident_memory_bytes", "Memory of the process in RAM.", single(memory.rss)),
    gauge("palyrad_heap_used_bytes", "JavaScript heap in use.", single(memory.heapUsed)),
    gauge("palyrad_external_memory_bytes", "Memory of buffers outside the JavaScript heap.", single(memory.external)),
  ];
}

function workMetrics(sources: DaemonMetricsSources): Metric[] {
  const { requestCounters } = sources;
  const { queued, inFlight } = sources.requests();
  const ended = [...requestCounters.endedByState];
  return [
    gauge(
      "palyrad_nodes_connected",
      "Nodes with a live session, by transport.",
      TRANSPORTS.map((transport) => ({ labels: { transport }, value: sources.nodesConnected(transport) })),
    ),
    gauge("palyrad_requests", "Requests that have not ended: in the queue, and in flight on a node.", [
      { labels: { state: "queued" }, value: queued },
      { labels: { state: "in_flight" }, value: inFlight },
    ]),
    counter("palyrad_dispatches_total", "Attempts handed to a node's session.", single(requestCounters.dispatched)),
    counter(
      "palyrad_requests_ended_total",
      "Requests that have ended, by how.",
      ended.map(([state, value]) => ({ labels: { state }, value })),
    ),
    counter(
      "palyrad_node_reports_ignored_total",
      "What nodes reported of their work and changed nothing, by reason.",
      [...sources.ignoredReports.counts].map(([reason, value]) => ({ labels: { reason }, value })),
    ),
    counter("palyrad_store_commits_total", "Transactions committed to the store.", single(sources.storeCommits())),
    gauge("palyrad_pairing_sessions", "Pairing handshakes under way.", single(sources.pairingSessions())),
  ];
}

function connectionMetrics(sources: DaemonMetricsSources): Metric[] {
  const listeners = sources.listeners();
  const datagrams = sources.datagrams();
  return [
    gauge(
      "palyrad_connections",
      "Open connections, by listener.",
      listeners.map(({ name, connections }) => ({ labels: { listener: name }, value: connections })),
    ),
    counter(
      "palyrad_connections_refused_total",
      "Connections that were not let in, by listener and reason code; on QUIC also requests.",
      listeners.flatMap(({ name, refusals }) =>
        [...refusals].map(([reason, value]) => ({ labels: { listener: name, reason }, value }))
      ),
    ),
    counter(
      "palyrad_quic_datagrams_total",
      "UDP datagrams of the QUIC listener: received, sent, or dropped instead of sent.",
      datagrams === undefined ? [] : [
        { labels: { outcome: "received" }, value: datagrams.received },
        { labels: { outcome: "sent" }, value: datagrams.sent },
        { labels: { outcome: "dropped" }, value: datagrams.dropped },
      ],
    ),
  ];
}

function gauge(name: string, help: string, samples: readonly MetricSample[]): Metric {
  return { name, type: "gauge", help, samples };
}

function counter(name: string, help: string, samples: readonly MetricSample[]): Metric {
  return { name, type: "counter", help, samples };
}

function single(value: number): MetricSample[] {
  return [{ value }];
}
